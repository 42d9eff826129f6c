"""The whole workflow: events delivered twice, in any order, late, or to functions that fail."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers.cookies.errors import ProfileUnavailableError
from tests.integration.cookies.choreography import (
    Choreography,
    Fault,
    LambdaTimeoutError,
    running,
    validate,
)
from tests.integration.cookies.conftest import World

pytestmark = pytest.mark.slow

NAMES = ["Ann Lee", "Ann Lee", 'O\'Neil "Q"', "a/b\\c", "😀", "..", "Åsa Öberg"]
SOME = NAMES[1:4]  # fewer, where every event is delivered twice and the events multiply
WORKERS = ["getMultiple", "processSingle", "postProcessSingle", "postProcessAll"]


def run_to_end(choreography: Choreography, detail: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The execution's name and how it ended."""
    with running(choreography):
        execution = choreography.start(detail)
        return execution.rpartition(":")[2], choreography.wait_for_end(execution)


def in_folder(world: World, name: str) -> dict[str, Any]:
    return {
        key.removeprefix(f"{name}/"): content
        for key, content in world.files().items()
        if key.startswith(f"{name}/")
    }


def raises(error: Exception, *, name: str | None = None, attempts: int = 99) -> Fault:
    """Raise the error in the first attempts; for one person, or for everyone."""

    def fault(event: dict[str, Any], attempt: int) -> None:
        if attempt < attempts and name in (None, event["detail"].get("name")):
            raise error

    return fault


def assert_sum_is_right(world: World, name: str, ended: dict[str, Any], names: list[str]) -> None:
    """The report is that of the files, and there is one file each."""
    files = in_folder(world, name)
    final = {key: content for key, content in files.items() if key.startswith("final-")}
    report, output = files["0-cookies.json"], json.loads(ended["output"])

    assert sorted(content["name"] for content in final.values()) == sorted(names)
    assert len(files) == 2 * len(names) + 1
    assert report == {
        "names": names,
        "numberOfPeople": len(names),
        "totalCookiesConsumed": sum(c["numberOfCookiesConsumed"] for c in final.values()),
        "failed": [],
    }
    assert output["totalCookiesConsumed"] == report["totalCookiesConsumed"]
    assert output["names"] == names


# -- Success --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [NAMES, [], ["Ann"] * 3], ids=["any-names", "no-names", "one-name"]
)
def test_a_report_is_right_whatever_the_names_are(world: World, names: list[str]) -> None:
    choreography = Choreography()

    name, ended = run_to_end(choreography, {"names": names})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, names)
    assert len(choreography.of_type("async.complete")) == len(names)
    assert not choreography.dead_letters


def test_every_event_is_one_of_the_catalogue(world: World) -> None:
    choreography = Choreography(
        before={"processSingle": raises(ProfileUnavailableError(), name="😀")}
    )

    run_to_end(choreography, {"names": NAMES})

    for event in choreography.events:
        validate(event)
    assert {event["detail-type"] for event in choreography.events} == {
        *("start", "task.get.multiple", "task.process.single", "task.process.single.post"),
        *("task.process.all", "task.finished", "task.failed", "async.complete"),
    }


def test_tokens_and_urls_reach_only_the_functions_that_need_them(world: World) -> None:
    choreography = Choreography()

    name, _ = run_to_end(choreography, {"names": NAMES})

    secrets = {
        *(
            event["detail"]["TaskToken"]
            for event in choreography.events
            if "TaskToken" in event["detail"]
        ),
        *(detail["profileUrl"] for detail in choreography.of_type("task.process.single.post")),
    }
    assert len(secrets) == 2 + 2 * len(NAMES)
    for detail in choreography.of_type("async.complete"):
        assert not any(secret in json.dumps(detail) for secret in secrets)
    for content in in_folder(world, name).values():
        assert not any(secret in json.dumps(content) for secret in secrets)


def test_the_same_seed_makes_the_same_report(world: World) -> None:
    first, _ = run_to_end(Choreography(), {"count": 5, "seed": 7})
    second, _ = run_to_end(Choreography(), {"count": 5, "seed": 7})

    assert in_folder(world, first) == in_folder(world, second)


# -- At least once, in any order ------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"copies": 2}, id="twice"),
        pytest.param({"copies": 2, "shuffled": 1}, id="twice-in-any-order"),
        pytest.param({"shuffled": 2}, id="in-any-order"),
    ],
)
def test_repeated_and_reordered_events_change_nothing(
    world: World, options: dict[str, Any]
) -> None:
    once, _ = run_to_end(Choreography(), {"names": SOME})
    again = Choreography(**options)

    name, ended = run_to_end(again, {"names": SOME})

    assert ended["status"] == "SUCCEEDED"
    assert in_folder(world, name) == in_folder(world, once)
    assert_sum_is_right(world, name, ended, SOME)
    assert len(again.executions("CookiesStateMachine")) == 1
    # A finisher whose task has already ended succeeds.
    finished = again.executions("TaskFinisherStateMachine")
    assert {execution["status"] for execution in finished} == {"SUCCEEDED"}
    assert not again.dead_letters


def test_an_event_after_the_end_changes_nothing(world: World) -> None:
    choreography = Choreography()
    with running(choreography):
        execution = choreography.start({"names": NAMES})
        ended = choreography.wait_for_end(execution)
        before = world.files()
        late = [event for event in choreography.events if event["detail-type"] != "start"]

        for event in reversed(late):
            choreography.put(event["detail-type"], event["detail"])
        after = choreography.wait_for_end(execution)

    assert world.files() == before
    assert after["output"] == ended["output"]
    assert not choreography.dead_letters


def test_repeated_events_generate_the_same_people(world: World) -> None:
    choreography = Choreography(copies=2)

    _, ended = run_to_end(choreography, {"count": 2})

    names = json.loads(ended["output"])["names"]
    finished = choreography.of_type("task.finished")
    results = [d["names"] for d in finished if d["stateName"] == "Get Multiple"]
    assert results == [names, names]


# -- Functions that fail --------------------------------------------------------------------------


@pytest.mark.parametrize("function", WORKERS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_fails_once_is_retried(world: World, function: str, when: str) -> None:
    fault = {function: raises(RuntimeError("fault"), attempts=1)}

    name, ended = run_to_end(Choreography(**{when: fault}), {"names": NAMES})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES)


@pytest.mark.parametrize("function", ["processSingle", "postProcessSingle"])
@pytest.mark.parametrize(
    ("error", "error_name"),
    [
        pytest.param(ProfileUnavailableError("gone"), "ProfileUnavailableError", id="fails"),
        pytest.param(LambdaTimeoutError(), "Sandbox.Timedout", id="times-out"),
        pytest.param(
            ClientError({"Error": {"Code": "AccessDenied"}}, "x"), "ClientError", id="aws"
        ),
    ],
)
def test_one_person_who_cannot_be_processed_does_not_lose_the_others(
    world: World, function: str, error: Exception, error_name: str
) -> None:
    def fails_for_the_third(event: dict[str, Any], _: int) -> None:
        if event["detail"]["n"] == 2:
            raise error

    choreography = Choreography(before={function: fails_for_the_third})

    name, ended = run_to_end(choreography, {"names": NAMES})

    report = in_folder(world, name)["0-cookies.json"]
    assert (ended["status"], ended["error"]) == ("FAILED", "PeopleNotProcessedError")
    assert report["failed"] == [{"n": 2, "name": NAMES[2], "error": error_name}]
    assert report["names"] == [*NAMES[:2], *NAMES[3:]]
    assert report["numberOfPeople"] == len(NAMES) - 1


@pytest.mark.parametrize(
    ("share", "status"),
    [("0", "FAILED"), ("0.1", "FAILED"), ("0.2", "SUCCEEDED"), ("1", "SUCCEEDED")],
)
def test_a_tolerated_share_may_fail(
    world: World, monkeypatch: pytest.MonkeyPatch, share: str, status: str
) -> None:
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", share)
    choreography = Choreography(before={"processSingle": raises(RuntimeError("no"), name="😀")})

    name, ended = run_to_end(choreography, {"names": NAMES})  # one of seven

    assert ended["status"] == status
    assert len(in_folder(world, name)["0-cookies.json"]["failed"]) == 1


@pytest.mark.parametrize("copies", [1, 2], ids=["once", "twice"])
def test_everyone_may_fail(world: World, copies: int) -> None:
    choreography = Choreography(copies=copies, before={"processSingle": raises(RuntimeError("no"))})

    name, ended = run_to_end(choreography, {"names": NAMES})

    report = in_folder(world, name)["0-cookies.json"]
    assert (ended["status"], ended["error"]) == ("FAILED", "PeopleNotProcessedError")
    assert len(report["failed"]) == len(NAMES)
    assert report["totalCookiesConsumed"] == 0


def test_the_function_that_lists_the_people_may_fail(world: World) -> None:
    choreography = Choreography(before={"getMultiple": raises(LambdaTimeoutError())})

    name, ended = run_to_end(choreography, {"names": NAMES})

    assert (ended["status"], ended["error"]) == ("FAILED", "Sandbox.Timedout")
    assert in_folder(world, name)["0-cookies.json"]["failure"]["Error"] == "Sandbox.Timedout"


def test_names_that_utf8_cannot_encode_are_refused(world: World) -> None:
    """Half of a surrogate pair is valid JSON, but cannot be stored as UTF-8."""
    name, ended = run_to_end(Choreography(), {"names": ["\ud800"]})

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidRequestError")
    report = in_folder(world, name)["0-cookies.json"]
    assert report["failure"]["Error"] == "InvalidRequestError"


def test_the_function_that_writes_the_report_may_fail(world: World) -> None:
    choreography = Choreography(before={"postProcessAll": raises(RuntimeError("no disk"))})

    name, ended = run_to_end(choreography, {"names": NAMES})

    assert (ended["status"], ended["error"]) == ("FAILED", "RuntimeError")
    assert ended["cause"] == "no disk"
    assert len(in_folder(world, name)) == 2 * len(NAMES)


def test_a_report_that_could_not_be_made_claims_nothing_about_people(world: World) -> None:
    """Everyone is processed when the sum fails; the report must not say that they ate nothing."""

    def fails_to_add_up(event: dict[str, Any], _: int) -> None:
        if "failure" not in event["detail"]:
            raise RuntimeError("no sum")

    name, ended = run_to_end(
        Choreography(before={"postProcessAll": fails_to_add_up}), {"names": NAMES}
    )

    files = in_folder(world, name)
    assert (ended["status"], ended["error"]) == ("FAILED", "RuntimeError")
    assert len([key for key in files if key.startswith("final-")]) == len(NAMES)
    report = files["0-cookies.json"]
    assert report.pop("failure") == {"Error": "RuntimeError", "Cause": "no sum"}
    assert set(report.values()) == {None}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("function", WORKERS)
def test_a_function_that_is_killed_is_retried(world: World, function: str, when: str) -> None:
    """Lambda itself tries an event three times, whatever ended the function."""
    killed: Any = type("Runtime.ExitError", (Exception,), {})
    choreography = Choreography(**{when: {function: raises(killed(), attempts=2)}})

    name, ended = run_to_end(choreography, {"names": NAMES[:2]})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES[:2])


@pytest.mark.parametrize("function", WORKERS)
def test_a_function_that_is_always_killed_fails_its_task_by_that_name(
    world: World, function: str
) -> None:
    killed: Any = type("Runtime.ExitError", (Exception,), {})
    choreography = Choreography(before={function: raises(killed())})

    name, ended = run_to_end(choreography, {"names": NAMES[:2]})

    assert ended["status"] == "FAILED"
    assert {failure["error"] for failure in choreography.of_type("task.failed")} == {
        "Runtime.ExitError"
    }
    report = in_folder(world, name).get("0-cookies.json")
    if function == "postProcessAll":
        assert report is None  # it makes the report, too
    elif function == "getMultiple":
        assert report["failure"]["Error"] == "Runtime.ExitError"
    else:
        assert {one["error"] for one in report["failed"]} == {"Runtime.ExitError"}
        assert report["totalCookiesConsumed"] == 0


def test_a_failed_side_effect_does_not_affect_the_report(world: World) -> None:
    choreography = Choreography(before={"sideEffect": raises(RuntimeError("fault"))})

    name, ended = run_to_end(choreography, {"names": NAMES})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES)
    assert not choreography.of_type("async.complete")
    assert len(choreography.dead_letters) == len(NAMES)


# -- Events without a task ------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["TaskToken", "execution"])
@pytest.mark.parametrize(
    "detail_type",
    [
        *("task.get.multiple", "task.process.single", "task.process.single.post"),
        *("task.process.all", "task.finished", "task.failed"),
    ],
)
def test_an_event_without_token_or_execution_ends_in_the_dead_letter_queue(
    world: World, detail_type: str, missing: str
) -> None:
    choreography = Choreography()
    with running(choreography):
        execution = choreography.start({"names": ["Ann"]})
        choreography.wait_for_end(execution)
        before = world.files()
        detail = {"error": "E", "cause": "c", **detail_of_type(choreography, detail_type)}

        del detail[missing]
        choreography.put(detail_type, detail)
        choreography.wait_for_end(execution)

    assert world.files() == before
    kept = [letter.get("requestPayload", letter)["detail"] for letter in choreography.dead_letters]
    assert detail in kept


def detail_of_type(choreography: Choreography, detail_type: str) -> dict[str, Any]:
    found = choreography.of_type(detail_type) or choreography.of_type("task.finished")
    return dict(found[0])
