"""The rules for every state machine: each one a test of every state that it speaks of."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import asl
from tests.support.asl import State

STATES = asl.all_states()
MACHINES = asl.machines()
TASKS = [state for state in STATES if state.kind == "Task"]
TOKEN_TASKS = [state for state in TASKS if state.waits_for_token]
LAMBDA_TASKS = [state for state in TASKS if state.function]
KEY_ORDER = [
    *("Comment", "Type", "Resource", "Parameters", "ResultSelector", "ResultPath"),
    *("TimeoutSeconds", "Retry", "Catch", "Next", "End"),
]
# Errors that the services themselves raise.
SERVICE_ERRORS = re.compile(
    r"^(States|Lambda|Runtime|Sandbox|Events|EventBridge|DynamoDB|SNS|Sns|Sfn|SQS)\."
)


def of(*states: list[State]) -> Any:
    found = [state for group in states for state in group]
    return pytest.mark.parametrize("state", found, ids=str)


def every_machine() -> Any:
    return pytest.mark.parametrize("machine", MACHINES)


def errors_named(body: dict[str, Any]) -> set[str]:
    rules = [*body.get("Retry", []), *body.get("Catch", [])]
    return {name for rule in rules for name in rule["ErrorEquals"]}


def reachable(state: str, scope: dict[str, Any]) -> Iterator[list[str]]:
    """Every way from a state to an end of its scope, without going in circles."""
    paths = [[state]]
    while paths:
        path = paths.pop()
        following = asl.successors(scope[path[-1]])
        if not following:
            yield path
        paths.extend([*path, name] for name in following if name not in path)


# -- 1. The machine -------------------------------------------------------------------------------


@every_machine()
def test_machine_says_what_it_does_and_how_long_it_may_take(machine: str) -> None:
    definition = asl.definition(machine)

    assert list(definition)[:3] == ["Comment", "StartAt", "TimeoutSeconds"]
    assert definition["Comment"].endswith(".")
    assert definition["TimeoutSeconds"] > 0
    assert "QueryLanguage" not in definition  # JSONPath, everywhere


@every_machine()
def test_machine_outlives_its_slowest_tasks(machine: str) -> None:
    definition = asl.definition(machine)
    longest = max(state.body.get("TimeoutSeconds", 0) for state in asl.states(machine))

    assert definition["TimeoutSeconds"] > longest


@every_machine()
def test_machine_tells_the_happy_path_first_and_its_ends_last(machine: str) -> None:
    for scope in scopes(asl.definition(machine)):
        kinds = [body["Type"] for body in scope["States"].values()]
        first_failure = kinds.index("Fail") if "Fail" in kinds else len(kinds)

        assert next(iter(scope["States"])) == scope["StartAt"]
        assert set(kinds[first_failure:]) <= {"Fail"}
        assert set(scope["States"]) == reached(scope)


@every_machine()
def test_machine_is_written_to_be_read(machine: str) -> None:
    written = asl.text(machine)
    headings = re.findall(r"\n(\n?)( *)[^\s#&-][^\n]*:\n *Comment:", written)

    assert "\t" not in written
    assert max(map(len, written.splitlines())) <= 140
    # A blank line before every state but the first of its block.
    assert len([gap for gap, _ in headings if not gap]) == written.count("States:\n")


def scopes(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield definition
    for body in definition["States"].values():
        for nested in asl.nested_machines(body):
            yield from scopes(nested)


def reached(scope: dict[str, Any]) -> set[str]:
    return {name for path in reachable(scope["StartAt"], scope["States"]) for name in path}


# -- 2. Tasks -------------------------------------------------------------------------------------


@of(TASKS)
def test_task_ends_retries_what_passes_and_catches_the_rest(state: State) -> None:
    assert state.body["TimeoutSeconds"] > 0
    assert state.body["Retry"]
    assert state.body["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@of(TASKS)
def test_task_never_retries_everything(state: State) -> None:
    retried = {name for rule in state.body["Retry"] for name in rule["ErrorEquals"]}

    assert not retried & {"States.ALL", "States.TaskFailed", "Exception"}


@of(TASKS)
def test_retries_are_bounded_and_spread(state: State) -> None:
    for rule in state.body["Retry"]:
        assert 1 <= rule["MaxAttempts"] <= 10
        assert rule["JitterStrategy"] == "FULL"
        assert rule["BackoffRate"] >= 1


@of(LAMBDA_TASKS)
def test_lambda_task_retries_what_lambda_asks_to_retry(state: State) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html"""
    retried = {name for rule in state.body["Retry"] for name in rule["ErrorEquals"]}

    assert retried >= {
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    }


@of([state for state in STATES if "Catch" in state.body])
def test_catch_keeps_the_input(state: State) -> None:
    for rule in state.body["Catch"]:
        assert re.fullmatch(r"\$\.\w+", rule["ResultPath"])


# -- 3. Task tokens -------------------------------------------------------------------------------


@of(TOKEN_TASKS)
def test_token_task_waits_no_longer_than_a_parameter_says(state: State) -> None:
    written = asl.text(state.machine)
    block = written[written.index(f"{state.name}:\n") :]

    assert re.search(r"TimeoutSeconds: \$\{param:\w+\}", block[: block.index("Retry:")])


@of(TOKEN_TASKS)
def test_token_task_tells_a_timeout_from_a_failure(state: State) -> None:
    caught = [rule["ErrorEquals"] for rule in state.body["Catch"]]

    assert ["States.Timeout"] in caught
    assert caught.index(["States.Timeout"]) < caught.index(["States.ALL"])


# -- 4. Failures ----------------------------------------------------------------------------------


@of([state for state in STATES if state.kind == "Fail"])
def test_fail_names_error_and_cause(state: State) -> None:
    assert {"Error", "ErrorPath"} & set(state.body)
    assert {"Cause", "CausePath"} & set(state.body)
    assert not str(state.body.get("Error", "")).startswith("States.")


@of([state for state in STATES if "ErrorPath" in state.body])
def test_fail_never_repeats_a_reserved_error_name(state: State) -> None:
    """Error names of one's own may not begin with `States.`: a Choice stands before the Fail, or
    the machine itself has named every error that can be there.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    before = [body for body in state.scope.values() if state.name in asl.successors(body)]

    assert all(asks_for_reserved_names(body, state) for body in before) or names_written_to(
        state.body["ErrorPath"].removesuffix(".Error"), state.scope
    ) <= {*ERROR_CLASSES, *ends_with(state.scope)}


def asks_for_reserved_names(body: dict[str, Any], fail: State) -> bool:
    asked = {"Variable": fail.body["ErrorPath"], "StringMatches": "States.*"}
    return (
        body["Type"] == "Choice"
        and body["Default"] == fail.name
        and asked.items() <= body["Choices"][0].items()
    )


def names_written_to(path: str, scope: dict[str, Any]) -> set[str]:
    """The names of the errors that Catches and states put at a path; `?` for an unknown one."""
    rules = [rule for body in scope.values() for rule in body.get("Catch", [])]
    caught = {name for rule in rules if rule["ResultPath"] == path for name in rule["ErrorEquals"]}
    states = [body for body in scope.values() if body.get("ResultPath") == path]
    return caught | {body.get("Parameters", {}).get("Error", "?") for body in states}


def ends_with(scope: dict[str, Any]) -> set[str]:
    """The names that a machine gives to errors: constants of its Pass states."""
    passes = [body for body in scope.values() if body["Type"] == "Pass"]
    named = {body.get("Parameters", {}).get("Error", "") for body in passes}
    return {name for name in named if re.fullmatch(r"[A-Z]\w+Error", name)}


def is_announcement(state: State) -> bool:
    return bool(re.match(r"(Send|Publish|Announce|Report|Record|Keep) ", state.name))


# An announcement that fails has nothing left to announce it with.
@of([state for state in STATES if "Catch" in state.body and not is_announcement(state)])
def test_failure_is_recorded_or_announced_before_the_machine_fails(state: State) -> None:
    for rule in state.body["Catch"]:
        for path in reachable(rule["Next"], state.scope):
            if state.scope[path[-1]]["Type"] == "Fail":
                assert any(
                    state.scope[name]["Type"] in ("Task", "Parallel", "Map") for name in path
                )


# -- 5. Map ---------------------------------------------------------------------------------------


@of([state for state in STATES if state.kind == "Map"])
def test_map_is_bounded_and_a_failed_item_is_a_result(state: State) -> None:
    inside = asl.nested_machines(state.body)[0]["States"]

    assert state.body["MaxConcurrency"] > 0
    for body in inside.values():
        assert body["Type"] != "Task" or body["Catch"]
        assert body["Type"] != "Fail"


@of([state for state in STATES if state.kind == "Map"])
def test_map_is_followed_by_a_state_that_judges(state: State) -> None:
    following = state.scope[state.body["Next"]]

    assert following["Type"] in ("Task", "Choice")


# -- 6. Outcomes are data -------------------------------------------------------------------------

# Where a status code is what was asked for: a message is answered with one.
STATUS_CODES = {"messages"}


@pytest.mark.parametrize("machine", sorted(set(MACHINES) - STATUS_CODES))
def test_no_status_codes_between_states(machine: str) -> None:
    assert not re.search("statuscode", asl.text(machine), re.IGNORECASE)


# -- 8. Names -------------------------------------------------------------------------------------


@of(STATES)
def test_state_has_a_comment_and_its_keys_in_order(state: State) -> None:
    keys = [key for key in state.body if key in KEY_ORDER]

    assert state.body["Comment"].endswith(".")
    assert keys == sorted(keys, key=KEY_ORDER.index)


# Names that were there before the rule.
GIVEN_NAMES = {
    "All resource downloads succeeded",
    "All resource downloads did not succeed",
}


@of([state for state in STATES if state.name not in GIVEN_NAMES])
def test_state_name_is_title_case_and_a_choice_asks(state: State) -> None:
    words = re.findall(r"[A-Za-z]+", state.name)

    assert len(state.name) <= 80
    assert all(word[0].isupper() for word in words)
    assert state.name.endswith("?") == (state.kind == "Choice")


@of(LAMBDA_TASKS)
def test_one_verb_phrase_runs_from_the_state_to_the_file(state: State) -> None:
    words = re.findall(r"[A-Za-z0-9]+", state.name)
    key = words[0].lower() + "".join(word.capitalize() for word in words[1:])
    file = "_".join(words).lower() + ".py"

    if state.function != key:  # two states may share a function
        assert state.function in {other.function for other in LAMBDA_TASKS}
        file = re.sub(r"(?<!^)(?=[A-Z])", "_", str(state.function)).lower() + ".py"
    assert list((asl.ROOT / "handlers").glob(f"*/{file}")), f"no handlers/*/{file}"


@of([state for state in STATES if errors_named(state.body)])
def test_error_names_are_classes_that_exist(state: State) -> None:
    ours = {name for name in errors_named(state.body) if not SERVICE_ERRORS.match(name)}

    assert ours <= ERROR_CLASSES


def error_classes(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.bases:
                yield node.name


ERROR_CLASSES = set(error_classes(asl.ROOT / "handlers"))
