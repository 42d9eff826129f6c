"""The cookies workflow from outside: an event is put; events, files and executions are observed."""

import json
import uuid
from typing import Any

import pytest

from local.aws import until
from tests.e2e.cookies.conftest import Cookies, Tap, delivered_twice
from tests.e2e.size import Size

NAMES = ["Ann Lee", "Ann Lee", 'O\'Neil "Q"', "a/b\\c", "😀", "..", "Åsa Öberg"]


def assert_report_is_right(cookies: Cookies, execution: str, names: list[str]) -> None:
    """There is one file each, and the report is what they add up to."""
    files = cookies.files(execution)
    output = json.loads(cookies.aws.describe(execution)["output"])
    basic, final = (
        [files[key] for key in files if key.startswith(kind)] for kind in ("basic-", "final-")
    )
    total = sum(content["numberOfCookiesConsumed"] for content in final)

    assert sorted(content["name"] for content in basic) == sorted(names)
    assert sorted(content["name"] for content in final) == sorted(names)
    assert len(files) == 2 * len(names) + 1
    assert files["0-cookies.json"] == {
        "names": names,
        "numberOfPeople": len(names),
        "totalCookiesConsumed": total,
        "failed": [],
    }
    assert (output["names"], output["totalCookiesConsumed"]) == (names, total)


# -- Starting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [NAMES, []], ids=["any-names", "no-names"])
def test_an_event_starts_a_report_about_names(cookies: Cookies, names: list[str]) -> None:
    event = cookies.put("start", {"names": names})

    (execution,) = until("the execution", lambda: cookies.started_by(event))
    ended = cookies.ended(execution)

    assert ended["status"] == "SUCCEEDED"
    assert_report_is_right(cookies, execution, names)


def test_an_empty_detail_generates_people(cookies: Cookies) -> None:
    # aws events put-events --entries 'Source=project,DetailType=start,…,Detail="{}"'
    event = cookies.put("start", {})

    (execution,) = until("the execution", lambda: cookies.started_by(event))
    ended = cookies.ended(execution, 90)

    names = json.loads(ended["output"])["names"]
    assert len(names) < 20
    assert_report_is_right(cookies, execution, names)


@pytest.mark.check("cookies-happy")
@pytest.mark.check("role-of-rules", only_on_aws="it starts machines without assuming a rule's role")
def test_a_start_may_name_its_stage(cookies: Cookies) -> None:
    other = cookies.put("start", {"stage": "another", "names": NAMES[:1]})
    own = cookies.put("start", {"stage": cookies.aws.stage, "names": NAMES[:1]})

    (execution,) = until("the execution", lambda: cookies.started_by(own))

    assert cookies.ended(execution)["status"] == "SUCCEEDED"
    assert_report_is_right(cookies, execution, NAMES[:1])
    assert cookies.started_by(other) == []


@pytest.mark.load
@pytest.mark.timeout(180)
def test_many_people(cookies: Cookies, size: Size) -> None:
    execution = cookies.start({"count": size.people, "seed": 1})

    ended = cookies.ended(execution, 150)

    assert ended["status"] == "SUCCEEDED"
    assert_report_is_right(cookies, execution, json.loads(ended["output"])["names"])
    # A share of the limit for 200 people: what grows with their number is found here, too.
    assert largest_payload(cookies, execution) < 32 * 1024 * size.people / 200


def largest_payload(cookies: Cookies, execution: str) -> int:
    """Bytes of the largest input or output of a state."""
    sizes = [
        len(details.get(name, "").encode())
        for event in cookies.aws.history(execution)
        for details in event.values()
        if isinstance(details, dict)
        for name in ("input", "output")
    ]
    assert max(sizes) > 1024
    return max(sizes)


# -- Events ---------------------------------------------------------------------------------------


def test_the_end_of_the_side_effect_is_published_without_secrets(
    cookies: Cookies, tap: Tap
) -> None:
    execution = cookies.start({"names": NAMES[:3]})

    ended = cookies.ended(execution)
    tap.wait_for(execution, "async.complete", 3)

    done = [event["detail"] for event in tap.events_of(execution, "async.complete")]
    assert {detail["n"] for detail in done} == {0, 1, 2}
    secrets = {
        *(
            event["detail"]["TaskToken"]
            for event in tap.events_of(execution, "task.process.single")
        ),
        *(
            event["detail"]["profileUrl"]
            for event in tap.events_of(execution, "task.process.single.post")
        ),
    }
    assert len(secrets) >= 6
    assert not any(secret in json.dumps(done) for secret in secrets)
    assert ended["status"] == "SUCCEEDED"
    for function in ("processSingle", "postProcessSingle", "sideEffect"):
        assert not any(cookies.logged(function, secret) for secret in secrets)


def test_a_repeated_start_starts_one_report(cookies: Cookies) -> None:
    name = uuid.uuid4().hex
    with delivered_twice(cookies.aws, {"names": [name]}):
        event = cookies.put("start", {"names": [name]})
        (execution,) = until("the execution", lambda: cookies.started_by(event))
        ended = cookies.ended(execution)
        starter = cookies.aws.outputs["CookiesStateMachineArn"] + "-starter"
        until("both starts", lambda: len(runs_about(cookies, starter, event)) == 2)

    assert ended["status"] == "SUCCEEDED"
    assert_report_is_right(cookies, execution, [name])
    inputs = [cookies.aws.describe(e["executionArn"])["input"] for e in cookies.executions()]
    assert len([started for started in inputs if name in started]) == 1


def test_repeated_events_change_nothing(cookies: Cookies, tap: Tap) -> None:
    name = uuid.uuid4().hex
    execution = cookies.arn(name)
    with delivered_twice(cookies.aws, {"execution": [execution]}):
        cookies.start({"names": NAMES[:2]}, name)
        ended = cookies.ended(execution)
        # Three of the four completions for each person come too late for the machine.
        tap.wait_for(execution, "task.finished", 2 + 2 * 4 + 2)

    assert ended["status"] == "SUCCEEDED"
    assert_report_is_right(cookies, execution, NAMES[:2])
    assert cookies.dead_letters(execution) == []
    finisher = cookies.aws.outputs["TaskFinisherStateMachineArn"]
    runs = runs_about(cookies, finisher, execution)
    assert {run["status"] for run in runs} <= {"SUCCEEDED", "RUNNING"}
    assert len(runs) >= 12


def runs_about(cookies: Cookies, machine: str, marker: str) -> list[dict[str, Any]]:
    described = (cookies.aws.describe(e["executionArn"]) for e in cookies.aws.executions(machine))
    return [run for run in described if marker in run["input"]]


def test_an_event_after_the_end_changes_nothing(cookies: Cookies, tap: Tap) -> None:
    execution = cookies.start({"names": NAMES[:2]})
    ended = cookies.ended(execution)
    files = cookies.files(execution)
    (late, *_) = tap.wait_for(execution, "task.process.single")
    finished = tap.wait_for(execution, "task.finished", 4)

    cookies.put("task.process.single", late["detail"])
    cookies.put("task.failed", late["detail"] | {"error": "E", "cause": "too late"})
    tap.wait_for(execution, "task.finished", len(finished) + 1)

    assert cookies.files(execution) == files
    assert cookies.aws.describe(execution)["output"] == ended["output"]


# -- Failures -------------------------------------------------------------------------------------


def test_one_person_who_fails_does_not_lose_the_others(cookies: Cookies, tap: Tap) -> None:
    name = uuid.uuid4().hex
    errors = len(cookies.logged("processSingle", "[ERROR] AwsRequestRefusedError"))
    with cookies.denied("processSingle", "s3:PutObject", f"{name}/basic-1-*"):
        execution = cookies.start({"names": NAMES[:3]}, name)
        ended = cookies.ended(execution)

    assert (ended["status"], ended["error"]) == ("FAILED", "PeopleNotProcessedError")
    report = cookies.files(execution)["0-cookies.json"]
    assert report["failed"] == [{"n": 1, "name": NAMES[1], "error": "AwsRequestRefusedError"}]
    assert report["names"] == [NAMES[0], NAMES[2]]
    (failed, *_) = tap.events_of(execution, "task.failed")
    assert "AccessDenied" in failed["detail"]["cause"]
    # Lambda tried three times before it gave up.
    assert len(cookies.logged("processSingle", "[ERROR] AwsRequestRefusedError")) >= errors + 3


@pytest.mark.check("cookies-failing")
@pytest.mark.timeout(600)
def test_an_invalid_request_fails_with_a_report(cookies: Cookies) -> None:
    execution = cookies.start({"names": "Ann"})

    ended = cookies.ended(execution)

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidRequestError")
    assert "must be a list of strings" in ended["cause"]
    report = cookies.files(execution)["0-cookies.json"]
    assert report["failure"]["Error"] == "InvalidRequestError"


@pytest.mark.parametrize(
    ("detail_type", "missing"),
    [
        pytest.param(
            *("task.finished", "TaskToken"), marks=pytest.mark.check("cookies-dead-letter")
        ),
        ("task.finished", "execution"),
        ("task.process.single", "TaskToken"),
        ("task.process.single", "execution"),
        ("task.failed", "TaskToken"),
        ("task.failed", "execution"),
    ],
)
def test_an_event_without_token_or_execution_ends_in_the_dead_letter_queue(
    cookies: Cookies, detail_type: str, missing: str
) -> None:
    marker = cookies.aws.name()
    detail = {
        "execution": cookies.arn(marker),
        "TaskToken": f"unknown {marker}",
        "n": 0,
        "name": marker,
        "error": "E",
        "cause": "c",
    }
    del detail[missing]

    cookies.put(detail_type, detail)

    kept = until("the dead letter", lambda: cookies.dead_letters(marker))
    assert {letter.get("requestPayload", letter)["detail"]["name"] for letter in kept} == {marker}
    assert not any(name.startswith("basic") for name in cookies.files(cookies.arn(marker)))
    if detail_type == "task.process.single":
        assert cookies.logged("processSingle", f"The event has no {missing}.")


@pytest.mark.parametrize(
    ("error", "cause"),
    [(7, "c"), ("E", None), ("E" * 257, "c"), ("E", "c" * 32_769)],
    ids=["a-number", "no-cause", "a-long-error", "a-long-cause"],
)
def test_a_failure_that_step_functions_refuses_ends_in_the_dead_letter_queue(
    cookies: Cookies, error: Any, cause: Any
) -> None:
    marker = uuid.uuid4().hex
    detail = {"execution": cookies.arn(marker), "TaskToken": "unknown", "error": error}

    cookies.put("task.failed", detail | ({} if cause is None else {"cause": cause}))

    (kept,) = until("the dead letter", lambda: cookies.dead_letters(marker))
    assert kept["detail"]["error"] == error


@pytest.mark.parametrize(
    "detail_type",
    [
        "start",
        pytest.param(
            "task.finished",
            marks=pytest.mark.check(
                "too-large-for-an-express-machine",
                only_on_aws="local/gaps/start_input_limit.py and rule_dead_letters.py do it",
            ),
        ),
    ],
)
def test_an_event_that_is_too_large_for_a_machine_is_kept(
    cookies: Cookies, detail_type: str
) -> None:
    """EventBridge takes 1 MB of an event, and a machine 262,144 bytes as its input."""
    marker = cookies.aws.name()
    detail = {"names": ["ü" * 150_000]}
    if detail_type != "start":
        detail |= {"execution": cookies.arn(marker), "TaskToken": marker}

    event = cookies.put(detail_type, detail)

    (kept,) = until("the dead letter", lambda: cookies.dead_letters(event))
    assert kept["detail"] == detail
    assert cookies.started_by(event) == []
