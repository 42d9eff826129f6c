"""The rules for every state machine: each one a test of every state that it speaks of."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support import asl, error_names
from tests.support.asl import Machine, State
from tests.support.rules import STATES, every_machine, every_state

KEY_ORDER = [
    *("Comment", "Type", "Resource", "Parameters", "ResultSelector", "ResultPath"),
    *("TimeoutSeconds", "Retry", "Catch", "Next", "End"),
]


def is_task(state: State) -> bool:
    return state.kind == "Task"


def waits_for_token(state: State) -> bool:
    return state.waits_for_token


def calls_function(state: State) -> bool:
    return is_task(state) and bool(state.function)


def is_inline_map(state: State) -> bool:
    return state.kind == "Map" and not state.distributed


def is_distributed_map(state: State) -> bool:
    return state.distributed


def catches(state: State) -> bool:
    return "Catch" in state.body


def reachable(state: str, scope: dict[str, Any], *, caught: bool = True) -> Iterator[list[str]]:
    """Every way from a state to an end of its scope, without going in circles.

    Without `caught` only the ways on which no task fails.
    """
    paths = [[state]]
    while paths:
        path = paths.pop()
        body = scope[path[-1]]
        if body.get("End") or body["Type"] in ("Succeed", "Fail"):
            yield path
        following = asl.successors(body if caught else {**body, "Catch": []})
        paths.extend([*path, name] for name in following if name not in path)


# -- 1. The machine -------------------------------------------------------------------------------


@every_machine
def test_machine_has_a_comment_and_a_timeout(machine: Machine) -> None:
    definition = machine.definition

    assert list(definition)[:3] == ["Comment", "StartAt", "TimeoutSeconds"]
    assert definition["Comment"].endswith(".")
    assert definition["TimeoutSeconds"] > 0
    assert "QueryLanguage" not in definition  # JSONPath, everywhere


@every_machine
def test_machine_outlives_its_slowest_tasks(machine: Machine) -> None:
    longest = max(state.body.get("TimeoutSeconds", 0) for state in machine.states)

    assert machine.definition["TimeoutSeconds"] > longest


@every_machine
def test_machine_has_the_happy_path_first_and_its_ends_last(machine: Machine) -> None:
    for scope in scopes(machine.definition):
        kinds = [body["Type"] for body in scope["States"].values()]
        first_failure = kinds.index("Fail") if "Fail" in kinds else len(kinds)

        assert next(iter(scope["States"])) == scope["StartAt"]
        assert set(kinds[first_failure:]) <= {"Fail"}
        assert set(scope["States"]) == reached(scope)


@every_machine
def test_machine_file_is_formatted(machine: Machine) -> None:
    written = machine.text
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


@every_state(is_task)
def test_task_has_a_timeout_retries_and_catches_every_error(state: State) -> None:
    """In a child execution it catches nothing: its error ends the child, and the Map catches it."""
    assert state.body.get("TimeoutSeconds", 0) > 0
    assert state.body.get("Retry")
    assert state.child or last_caught(state) == ["States.ALL"]


def last_caught(state: State) -> list[str]:
    rules: list[list[str]] = [rule["ErrorEquals"] for rule in state.body.get("Catch", [])]
    return rules[-1] if rules else []


@every_state(is_task)
def test_task_never_retries_everything(state: State) -> None:
    assert not error_names.retried(state) & {"States.ALL", "States.TaskFailed", "Exception"}


@every_state(is_task)
def test_retries_are_bounded_and_spread(state: State) -> None:
    for rule in state.body.get("Retry", []):
        assert 1 <= rule.get("MaxAttempts", 0) <= 10
        assert rule.get("JitterStrategy") == "FULL"
        assert rule.get("BackoffRate", 0) >= 1


@every_state(calls_function)
def test_lambda_task_retries_lambdas_own_transient_errors(state: State) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html"""
    assert error_names.retried(state) >= {
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    }


@every_state(is_task)
def test_task_retries_every_transient_error_unless_a_comment_says_why_not(state: State) -> None:
    """Of its integration; the comment stands in the state and has the error's name in it."""
    comments = " ".join(re.findall(r"#.*", state.text))
    ignored = error_names.transient(state.integration) - error_names.retried(state)

    assert {name for name in ignored if name not in comments} == set()


@every_state(catches)
def test_catch_keeps_the_input(state: State) -> None:
    for rule in state.body["Catch"]:
        assert re.fullmatch(r"\$\.\w+", rule.get("ResultPath", "$"))


# -- 3. Task tokens -------------------------------------------------------------------------------


@every_state(waits_for_token)
def test_token_task_has_its_timeout_from_a_parameter(state: State) -> None:
    assert re.fullmatch(r"\$\{param:\w+\}", str(state.written.get("TimeoutSeconds")))


@every_state(waits_for_token)
def test_token_task_catches_its_timeout(state: State) -> None:
    """By its name, or with all other errors."""
    assert error_names.caught(state) & {"States.Timeout", "States.ALL"}


# -- 4. Failures ----------------------------------------------------------------------------------


@every_state(lambda state: state.kind == "Fail")
def test_fail_names_error_and_cause(state: State) -> None:
    assert {"Error", "ErrorPath"} & set(state.body)
    assert {"Cause", "CausePath"} & set(state.body)
    assert not str(state.body.get("Error", "")).startswith("States.")


@every_state(lambda state: "ErrorPath" in state.body)
def test_fail_never_reuses_a_reserved_error_name(state: State) -> None:
    """Error names of one's own may not begin with `States.`: a Choice stands before the Fail, or
    the machine itself has named every error that can be there.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    before = [body for body in state.scope.values() if state.name in asl.successors(body)]

    assert all(checks_reserved_names(body, state) for body in before) or names_written_to(
        state.body["ErrorPath"].removesuffix(".Error"), state.scope
    ) <= {*error_names.own_classes(state.machine), *ends_with(state.scope)}


def checks_reserved_names(body: dict[str, Any], fail: State) -> bool:
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


# The states that announce a failure, or keep it for an operator. If such a state itself fails,
# nothing is left to announce that, so it alone may go straight to a Fail.
ANNOUNCEMENTS = {
    ("sensor", "Send Email"): "mails the report; the readings are stored and the file is moved",
    ("sensor", "Send Failure Email"): "mails the operator why the file failed",
    ("sensor", "Send Move Failure Email"): "mails the operator where the file is",
    ("signature", "Announce Unsigned Document"): "mails the document's owner",
    ("cookies", "Report Failure"): "writes a report that says why there is nothing in it",
    ("cookies-starter", "Record Event"): "keeps the event in the dead-letter queue",
    ("task-finisher", "Record Refused Event"): "keeps the event in the dead-letter queue",
    ("task-finisher", "Record Event"): "keeps the event in the dead-letter queue",
    ("messages", "Keep Message"): "keeps the event in the dead-letter queue",
    ("images", "Publish Failures"): "notifies the topic's subscribers",
    ("images", "Publish Fault"): "notifies the topic's subscribers",
}


def announces(state: State) -> bool:
    return (state.machine, state.name) in ANNOUNCEMENTS


@every_state(lambda state: catches(state) and not announces(state))
def test_failure_is_recorded_or_announced_before_the_machine_fails(state: State) -> None:
    for rule in state.body["Catch"]:
        for path in reachable(rule["Next"], state.scope):
            if state.scope[path[-1]]["Type"] == "Fail":
                announced = [name for name in path if (state.machine, name) in ANNOUNCEMENTS]
                assert announced, " → ".join(path)


@pytest.mark.parametrize(("machine", "name"), ANNOUNCEMENTS)
def test_an_announcement_is_a_task_of_its_machine(machine: str, name: str) -> None:
    (state,) = (one for one in STATES if (one.machine, one.name) == (machine, name))

    assert is_task(state)


# Errors of a task after which the machine continues or succeeds, with the reason.
TOLERATED_ERRORS = {
    ("cookies-starter", "Start Execution"): (
        {"Sfn.ExecutionAlreadyExistsException"},
        "the same event has started it before",
    ),
    ("task-finisher", "Complete Task"): (
        {"Sfn.TaskTimedOutException", "Sfn.TaskDoesNotExistException", "Sfn.InvalidTokenException"},
        "the task has been completed before, or has ended",
    ),
    ("task-finisher", "Fail Task"): (
        {"Sfn.TaskTimedOutException", "Sfn.TaskDoesNotExistException", "Sfn.InvalidTokenException"},
        "the task has been completed before, or has ended",
    ),
    ("messages", "Record Message"): (
        {"States.ALL"},
        "the record is looked up, and is there",
    ),
    ("signature", "Cancel Signature Request"): (
        {"States.ALL"},
        "Alice's part is a failure either way; Bob's task then ends by itself",
    ),
    ("signature", "Finalize Signature Request"): (
        {"States.ALL"},
        "what Bob decided, or did not, counts for more than the note of it",
    ),
}


@every_state(catches)
def test_failure_never_ends_as_a_success(state: State) -> None:
    """In a branch or an item it goes through a state of its own, which puts the failure into the
    result; the state after the branch checks it. Elsewhere it ends in a Fail.
    """
    tolerated, _ = TOLERATED_ERRORS.get((state.machine, state.name), (set(), ""))
    for rule in state.body["Catch"]:
        if not set(rule["ErrorEquals"]) <= tolerated:
            for path in reachable(rule["Next"], state.scope):
                assert differs_from_success(state, path), f"{rule['ErrorEquals']}: {path}"


def differs_from_success(state: State, path: list[str]) -> bool:
    """Whether a way from a state's Catch to an end differs from a success."""
    if not state.nested:
        return not ends_well(state.scope[path[-1]])
    following = state.body.get("Next", state.name)
    well = {name for way in reachable(following, state.scope, caught=False) for name in way}
    return any(state.scope[name]["Type"] == "Pass" for name in set(path) - well)


def ends_well(body: dict[str, Any]) -> bool:
    return body["Type"] == "Succeed" or body.get("End", False)


@pytest.mark.parametrize(("machine", "name"), TOLERATED_ERRORS)
def test_a_tolerated_error_is_caught(machine: str, name: str) -> None:
    (state,) = (one for one in STATES if (one.machine, one.name) == (machine, name))

    assert TOLERATED_ERRORS[machine, name][0] <= error_names.caught(state)


# -- 5. Map ---------------------------------------------------------------------------------------


@every_state(is_inline_map)
def test_map_is_bounded_and_a_failed_item_is_a_result(state: State) -> None:
    inside = asl.nested_machines(state.body)[0]["States"]

    assert state.body.get("MaxConcurrency", 0) > 0
    for body in inside.values():
        assert body["Type"] != "Task" or body.get("Catch")
        assert body["Type"] != "Fail"


@every_state(is_inline_map)
def test_map_is_followed_by_a_state_that_checks_its_results(state: State) -> None:
    following = state.scope.get(state.body.get("Next", ""), {})

    assert following.get("Type") in ("Task", "Choice")


@every_state(is_distributed_map)
def test_distributed_map_is_bounded_by_a_parameter(state: State) -> None:
    assert re.fullmatch(r"\$\{param:\w+\}", str(state.written.get("MaxConcurrency")))


@every_state(is_distributed_map)
def test_distributed_map_fails_with_the_first_child_and_catches_that(state: State) -> None:
    assert state.body.get("ToleratedFailureCount") == 0
    assert "ToleratedFailurePercentage" not in state.body
    assert last_caught(state) == ["States.ALL"]


@every_state(is_distributed_map)
def test_distributed_map_reads_its_items_from_s3_and_passes_no_results(state: State) -> None:
    """Ten thousand children together return at most 256 KiB: `{}` each."""
    (child,) = asl.nested_machines(state.body)
    ends = [body for body in child["States"].values() if ends_well(body)]

    assert state.body.get("ItemReader", {}).get("Resource", "").endswith(":s3:getObject")
    assert state.body.get("ResultPath", "$") is None
    assert [body.get("OutputPath", "$") for body in ends] == [None] * len(ends)


@every_state(is_distributed_map)
def test_child_executions_may_last_as_long_as_their_tasks(state: State) -> None:
    """An Express child execution ends after five minutes."""
    config = state.body["ItemProcessor"]["ProcessorConfig"]

    assert config.get("ExecutionType") == "STANDARD"


# -- 6. Outcomes are data -------------------------------------------------------------------------

# Machines whose contract has a status code: the recorder's result is one.
STATUS_CODES = {"messages"}


@every_machine
def test_no_status_codes_between_states(machine: Machine) -> None:
    found = re.search("statuscode", str(machine.written), re.IGNORECASE)

    assert not found or machine.name in STATUS_CODES


# -- 8. Names -------------------------------------------------------------------------------------


@every_state()
def test_state_has_a_comment_and_its_keys_in_order(state: State) -> None:
    keys = [key for key in state.body if key in KEY_ORDER]

    assert state.body.get("Comment", "").endswith(".")
    assert keys == sorted(keys, key=KEY_ORDER.index)


# Names that the design gives.
GIVEN_NAMES = {
    "All resource downloads succeeded",
    "All resource downloads did not succeed",
}


@every_state(lambda state: state.name not in GIVEN_NAMES)
def test_state_name_is_title_case_and_a_choice_is_a_question(state: State) -> None:
    words = re.findall(r"[A-Za-z]+", state.name)

    assert len(state.name) <= 80
    assert all(word[0].isupper() for word in words)
    assert state.name.endswith("?") == (state.kind == "Choice")


# States that are named after a person's action, and their functions.
OTHER_FUNCTIONS = {
    ("signature", "Alice Signature"): "signDocument",
    ("signature", "Bob Signature"): "requestDocumentSignature",
}


@every_state(calls_function)
def test_one_verb_phrase_runs_from_the_state_to_the_file(state: State) -> None:
    first, *others = re.findall(r"[A-Za-z0-9]+", state.name)
    key = first.lower() + "".join(word.capitalize() for word in others)
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", str(state.function)).lower()

    assert state.function == OTHER_FUNCTIONS.get((state.machine, state.name), key)
    assert handler_of(state) == f"handlers/{error_names.folder(state.machine)}/{file}.handler"
    assert (asl.ROOT / f"handlers/{error_names.folder(state.machine)}/{file}.py").exists()


def handler_of(state: State) -> str | None:
    """The handler of the function that a state calls, if the machine's workflow has it."""
    path = asl.ROOT / "handlers" / error_names.folder(state.machine) / "functions.yml"
    functions = yaml.load(path.read_text(), asl.Loader)
    handler: str | None = functions.get(state.function, {}).get("handler")
    return handler


@pytest.mark.parametrize(("machine", "name"), OTHER_FUNCTIONS)
def test_a_state_with_another_verb_phrase_exists(machine: str, name: str) -> None:
    (state,) = (one for one in STATES if (one.machine, one.name) == (machine, name))

    assert state.function == OTHER_FUNCTIONS[machine, name]


@every_state(lambda state: error_names.retried(state) | error_names.caught(state))
def test_error_names_are_classes_that_exist(state: State) -> None:
    """Ours, of the machine's own functions, or those that the task's integration raises."""
    named = error_names.retried(state) | error_names.caught(state)

    assert named <= error_names.own_classes(state.machine) | error_names.of_service(
        state.integration
    )
