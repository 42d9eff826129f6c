"""The whole workflow: events that come twice, in any order, late, or to functions that fail."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers.cookies.errors import ProfileUnavailableError
from tests.integration.cookies.choreography import (
    Choreography,
    Fault,
    LambdaTimeoutError,
    performed,
    validate,
)
from tests.integration.cookies.conftest import World

pytestmark = pytest.mark.slow

NAMES = ["Ann Lee", "Ann Lee", 'O\'Neil "Q"', "a/b\\c", "😀", "..", "Åsa Öberg"]
SOME = NAMES[1:4]  # where every event comes twice, and so calls forth two, and these four
WORKERS = ["getMultiple", "processSingle", "postProcessSingle", "postProcessAll"]


def played(choreography: Choreography, detail: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The execution's name and how it ended."""
    with performed(choreography):
        execution = choreography.start(detail)
        return execution.rpartition(":")[2], choreography.wait_for_end(execution)


def in_folder(world: World, name: str) -> dict[str, Any]:
    return {
        key.removeprefix(f"{name}/"): content
        for key, content in world.files().items()
        if key.startswith(f"{name}/")
    }


def dies(error: Exception, *, of: str | None = None, attempts: int = 99) -> Fault:
    """Raise the error in the first attempts; for one person, or for everyone."""

    def fault(event: dict[str, Any], attempt: int) -> None:
        if attempt < attempts and of in (None, event["detail"].get("name")):
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


# -- All is well ----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [NAMES, [], ["Ann"] * 3], ids=["any-names", "nobody", "one-name"])
def test_a_report_is_right_whatever_the_names_are(world: World, names: list[str]) -> None:
    stage = Choreography()

    name, ended = played(stage, {"names": names})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, names)
    assert len(stage.of_type("async.complete")) == len(names)
    assert not stage.dead_letters


def test_every_event_is_one_of_the_catalogue(world: World) -> None:
    stage = Choreography(before={"processSingle": dies(ProfileUnavailableError(), of="😀")})

    played(stage, {"names": NAMES})

    for event in stage.events:
        validate(event)
    assert {event["detail-type"] for event in stage.events} == {
        *("start", "task.get.multiple", "task.process.single", "task.process.single.post"),
        *("task.process.all", "task.finished", "task.failed", "async.complete"),
    }


def test_tokens_and_urls_travel_to_nobody_who_does_not_need_them(world: World) -> None:
    stage = Choreography()

    name, _ = played(stage, {"names": NAMES})

    secrets = {
        *(event["detail"]["TaskToken"] for event in stage.events if "TaskToken" in event["detail"]),
        *(detail["profileUrl"] for detail in stage.of_type("task.process.single.post")),
    }
    assert len(secrets) == 2 + 2 * len(NAMES)
    for detail in stage.of_type("async.complete"):
        assert not any(secret in json.dumps(detail) for secret in secrets)
    for content in in_folder(world, name).values():
        assert not any(secret in json.dumps(content) for secret in secrets)


def test_the_same_seed_makes_the_same_report(world: World) -> None:
    first, _ = played(Choreography(), {"count": 5, "seed": 7})
    second, _ = played(Choreography(), {"count": 5, "seed": 7})

    assert in_folder(world, first) == in_folder(world, second)


# -- At least once, in any order ------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param({"copies": 2}, id="twice"),
        pytest.param({"copies": 2, "shuffled": 1}, id="twice-in-any-order"),
        pytest.param({"shuffled": 2}, id="in-any-order"),
    ],
)
def test_events_that_come_again_or_in_another_order_change_nothing(
    world: World, stage: dict[str, Any]
) -> None:
    once, _ = played(Choreography(), {"names": SOME})
    again = Choreography(**stage)

    name, ended = played(again, {"names": SOME})

    assert ended["status"] == "SUCCEEDED"
    assert in_folder(world, name) == in_folder(world, once)
    assert_sum_is_right(world, name, ended, SOME)
    assert len(again.executions("CookiesStateMachine")) == 1
    # A finisher that has nothing left to finish is no failure.
    finished = again.executions("TaskFinisherStateMachine")
    assert {execution["status"] for execution in finished} == {"SUCCEEDED"}
    assert not again.dead_letters


def test_an_event_that_comes_when_all_is_over_changes_nothing(world: World) -> None:
    stage = Choreography()
    with performed(stage):
        execution = stage.start({"names": NAMES})
        ended = stage.wait_for_end(execution)
        before = world.files()
        late = [event for event in stage.events if event["detail-type"] != "start"]

        for event in reversed(late):
            stage.put(event["detail-type"], event["detail"])
        after = stage.wait_for_end(execution)

    assert world.files() == before
    assert after["output"] == ended["output"]
    assert not stage.dead_letters


def test_people_are_made_up_once_however_often_the_question_comes(world: World) -> None:
    stage = Choreography(copies=2)

    _, ended = played(stage, {"count": 2})

    names = json.loads(ended["output"])["names"]
    finished = stage.of_type("task.finished")
    answers = [d["names"] for d in finished if d["stateName"] == "Get Multiple"]
    assert answers == [names, names]


# -- Functions that fail --------------------------------------------------------------------------


@pytest.mark.parametrize("function", WORKERS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_function_that_fails_once_is_tried_again(world: World, function: str, when: str) -> None:
    fault = {function: dies(RuntimeError("no luck"), attempts=1)}

    name, ended = played(Choreography(**{when: fault}), {"names": NAMES})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES)


@pytest.mark.parametrize("function", ["processSingle", "postProcessSingle"])
@pytest.mark.parametrize(
    ("error", "named"),
    [
        pytest.param(ProfileUnavailableError("gone"), "ProfileUnavailableError", id="fails"),
        pytest.param(LambdaTimeoutError(), "Sandbox.Timedout", id="times-out"),
        pytest.param(
            ClientError({"Error": {"Code": "AccessDenied"}}, "x"), "ClientError", id="aws"
        ),
    ],
)
def test_one_person_who_cannot_be_processed_does_not_lose_the_others(
    world: World, function: str, error: Exception, named: str
) -> None:
    def of_the_third(event: dict[str, Any], _: int) -> None:
        if event["detail"]["n"] == 2:
            raise error

    stage = Choreography(before={function: of_the_third})

    name, ended = played(stage, {"names": NAMES})

    report = in_folder(world, name)["0-cookies.json"]
    assert (ended["status"], ended["error"]) == ("FAILED", "PeopleNotProcessedError")
    assert report["failed"] == [{"n": 2, "name": NAMES[2], "error": named}]
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
    stage = Choreography(before={"processSingle": dies(RuntimeError("no"), of="😀")})

    name, ended = played(stage, {"names": NAMES})  # one of seven

    assert ended["status"] == status
    assert len(in_folder(world, name)["0-cookies.json"]["failed"]) == 1


@pytest.mark.parametrize("copies", [1, 2], ids=["once", "twice"])
def test_everyone_may_fail(world: World, copies: int) -> None:
    stage = Choreography(copies=copies, before={"processSingle": dies(RuntimeError("no"))})

    name, ended = played(stage, {"names": NAMES})

    report = in_folder(world, name)["0-cookies.json"]
    assert (ended["status"], ended["error"]) == ("FAILED", "PeopleNotProcessedError")
    assert len(report["failed"]) == len(NAMES)
    assert report["totalCookiesConsumed"] == 0


def test_who_lists_the_people_may_fail(world: World) -> None:
    stage = Choreography(before={"getMultiple": dies(LambdaTimeoutError())})

    name, ended = played(stage, {"names": NAMES})

    assert (ended["status"], ended["error"]) == ("FAILED", "Sandbox.Timedout")
    assert in_folder(world, name)["0-cookies.json"]["failure"]["Error"] == "Sandbox.Timedout"


def test_names_that_are_no_text_are_refused_by_name(world: World) -> None:
    """Half of a surrogate pair is JSON, but nothing that could be written anywhere."""
    name, ended = played(Choreography(), {"names": ["\ud800"]})

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidRequestError")
    report = in_folder(world, name)["0-cookies.json"]
    assert report["failure"]["Error"] == "InvalidRequestError"


def test_who_writes_the_report_may_fail(world: World) -> None:
    stage = Choreography(before={"postProcessAll": dies(RuntimeError("no disk"))})

    name, ended = played(stage, {"names": NAMES})

    assert (ended["status"], ended["error"]) == ("FAILED", "RuntimeError")
    assert ended["cause"] == "no disk"
    assert len(in_folder(world, name)) == 2 * len(NAMES)


def test_a_report_that_could_not_be_made_claims_nothing_about_people(world: World) -> None:
    """Everyone is processed when the sum fails; the report must not say that nobody ate."""

    def cannot_add(event: dict[str, Any], _: int) -> None:
        if "failure" not in event["detail"]:
            raise RuntimeError("no sum")

    name, ended = played(Choreography(before={"postProcessAll": cannot_add}), {"names": NAMES})

    files = in_folder(world, name)
    assert (ended["status"], ended["error"]) == ("FAILED", "RuntimeError")
    assert len([key for key in files if key.startswith("final-")]) == len(NAMES)
    report = files["0-cookies.json"]
    assert report.pop("failure") == {"Error": "RuntimeError", "Cause": "no sum"}
    assert set(report.values()) == {None}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("function", WORKERS)
def test_a_function_that_is_killed_is_called_again(world: World, function: str, when: str) -> None:
    """By Lambda itself, which tries an event three times, whatever ends a function."""
    killed: Any = type("Runtime.ExitError", (Exception,), {})
    stage = Choreography(**{when: {function: dies(killed(), attempts=2)}})

    name, ended = played(stage, {"names": NAMES[:2]})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES[:2])


@pytest.mark.parametrize("function", WORKERS)
def test_a_function_that_is_always_killed_fails_its_task_by_that_name(
    world: World, function: str
) -> None:
    killed: Any = type("Runtime.ExitError", (Exception,), {})
    stage = Choreography(before={function: dies(killed())})

    name, ended = played(stage, {"names": NAMES[:2]})

    assert ended["status"] == "FAILED"
    assert {failure["error"] for failure in stage.of_type("task.failed")} == {"Runtime.ExitError"}
    report = in_folder(world, name).get("0-cookies.json")
    if function == "postProcessAll":
        assert report is None  # it makes the report, too
    elif function == "getMultiple":
        assert report["failure"]["Error"] == "Runtime.ExitError"
    else:
        assert {one["error"] for one in report["failed"]} == {"Runtime.ExitError"}
        assert report["totalCookiesConsumed"] == 0


def test_a_side_effect_that_fails_holds_nobody_up(world: World) -> None:
    stage = Choreography(before={"sideEffect": dies(RuntimeError("no luck"))})

    name, ended = played(stage, {"names": NAMES})

    assert ended["status"] == "SUCCEEDED"
    assert_sum_is_right(world, name, ended, NAMES)
    assert not stage.of_type("async.complete")
    assert len(stage.dead_letters) == len(NAMES)


# -- Events that are nobody's ---------------------------------------------------------------------


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
    stage = Choreography()
    with performed(stage):
        execution = stage.start({"names": ["Ann"]})
        stage.wait_for_end(execution)
        before = world.files()
        detail = {"error": "E", "cause": "c", **stage_detail(stage, detail_type)}

        del detail[missing]
        stage.put(detail_type, detail)
        stage.wait_for_end(execution)

    assert world.files() == before
    kept = [letter.get("requestPayload", letter)["detail"] for letter in stage.dead_letters]
    assert detail in kept


def stage_detail(stage: Choreography, detail_type: str) -> dict[str, Any]:
    found = stage.of_type(detail_type) or stage.of_type("task.finished")
    return dict(found[0])
