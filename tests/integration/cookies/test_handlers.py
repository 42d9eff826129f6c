"""Each function by itself: its event, the files that it writes, the events that it publishes."""

import json
from typing import Any

import pytest
import requests

from handlers.cookies import (
    get_multiple,
    post_process_all,
    post_process_single,
    process_single,
    report_task_failure,
    side_effect,
)
from handlers.cookies.errors import InvalidRequestError, ResultMissingError
from handlers.shared.errors import ConfigurationError, InvalidEventError
from handlers.shared.events import EventsNotPutError
from tests.integration.cookies.conftest import BUCKET, EXECUTION, TOKEN, World, event, without
from tests.unit.fakes import FakeContext

NAME = 'Ann "A" Lee'
PERSON = {"n": 3, "name": NAME}
HANDLERS = {
    "getMultiple": (get_multiple.handler, event("task.get.multiple", input={"names": ["Ann"]})),
    "processSingle": (process_single.handler, event("task.process.single", **PERSON)),
    "postProcessSingle": (
        post_process_single.handler,
        event("task.process.single.post", **PERSON, profileUrl="https://example.com"),
    ),
    "postProcessAll": (post_process_all.handler, event("task.process.all", names=[], people=[])),
    "sideEffect": (
        side_effect.handler,
        without(event("task.process.single.post", n=3), "TaskToken"),
    ),
}


def each_handler(*excluded: str) -> Any:
    cases = [
        pytest.param(*case, id=name) for name, case in HANDLERS.items() if name not in excluded
    ]
    return pytest.mark.parametrize(("handler", "delivered"), cases)


# -- getMultiple ----------------------------------------------------------------------------------


def test_names_go_to_the_waiting_task(world: World, context: FakeContext) -> None:
    get_multiple.handler(event("task.get.multiple", input={"names": [NAME, ""]}), context)

    assert world.bus.only["detail-type"] == "task.finished"
    detail = world.bus.only["detail"]
    assert (detail["TaskToken"], detail["names"]) == (TOKEN, [NAME, ""])


def test_an_invalid_request_fails(world: World, context: FakeContext) -> None:
    with pytest.raises(InvalidRequestError):
        get_multiple.handler(event("task.get.multiple", input={"names": "Ann"}), context)

    assert not world.bus.events


# -- processSingle and postProcessSingle ----------------------------------------------------------


def test_a_profile_is_stored_and_its_url_passed_on(world: World, context: FakeContext) -> None:
    process_single.handler(event("task.process.single", **PERSON), context)

    ((key, profile),) = world.files().items()
    assert key == "one/basic-3-ann-a-lee.json"
    assert profile["name"] == NAME
    assert set(profile) == {"name", "company", "city"}
    detail = world.bus.only["detail"]
    assert requests.get(detail["profileUrl"], timeout=5).json() == profile
    assert (detail["n"], detail["name"], detail["TaskToken"]) == (3, NAME, TOKEN)


def test_the_url_leads_to_the_number_of_cookies(world: World, context: FakeContext) -> None:
    process_single.handler(event("task.process.single", **PERSON), context)
    post = event("task.process.single.post") | {"detail": world.bus.events.pop()["detail"]}

    post_process_single.handler(post, context)

    profile, final = (world.files()[f"one/{kind}-3-ann-a-lee.json"] for kind in ("basic", "final"))
    eaten = final["numberOfCookiesConsumed"]
    assert final == profile | {"numberOfCookiesConsumed": eaten}
    assert eaten in range(10)
    finished = world.bus.only
    assert finished["detail-type"] == "task.finished"
    assert (finished["detail"]["n"], finished["detail"]["numberOfCookiesConsumed"]) == (3, eaten)
    assert "profileUrl" not in finished["detail"]


@pytest.mark.parametrize(
    ("handler", "delivered"),
    [
        pytest.param(process_single.handler, event("task.process.single"), id="processSingle"),
        pytest.param(
            post_process_single.handler,
            event("task.process.single.post", profileUrl="https://example.com"),
            id="postProcessSingle",
        ),
    ],
)
def test_an_invalid_person_is_refused(
    world: World, context: FakeContext, handler: Any, delivered: dict[str, Any]
) -> None:
    delivered["detail"] |= {"n": -1, "name": "Ann"}

    with pytest.raises(InvalidEventError):
        handler(delivered, context)

    assert not world.files()


# -- sideEffect -----------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"TaskToken": TOKEN, "profileUrl": "https://x/?s3cret"}])
def test_a_side_effect_publishes_its_end_and_no_secrets(
    world: World, context: FakeContext, extra: dict[str, str]
) -> None:
    delivered = event("task.process.single.post", n=3)
    delivered["detail"] = {"execution": EXECUTION, "stateName": "A State", "n": 3, **extra}

    side_effect.handler(delivered, context)

    assert world.bus.only["detail-type"] == "async.complete"
    assert set(world.bus.only["detail"]) == {"execution", "stateName", "n", "meta"}


# -- postProcessAll -------------------------------------------------------------------------------


def test_the_report_is_written_and_summed_up(world: World, context: FakeContext) -> None:
    world.write("one/final-0-ann.json", {"numberOfCookiesConsumed": 4})
    world.write("one/final-2-ann.json", {"numberOfCookiesConsumed": 9})
    people = [
        {"n": 0, "numberOfCookiesConsumed": 4},
        {"n": 1, "error": "ProfileUnavailableError"},
        {"n": 2, "numberOfCookiesConsumed": 9},
    ]

    post_process_all.handler(
        event("task.process.all", names=["Ann", "Bob", "Ann"], people=people), context
    )

    assert world.files()["one/0-cookies.json"] == {
        "names": ["Ann", "Ann"],
        "numberOfPeople": 2,
        "totalCookiesConsumed": 13,
        "failed": [{"n": 1, "name": "Bob", "error": "ProfileUnavailableError"}],
    }
    finished = world.bus.only["detail"]
    assert finished["totalCookiesConsumed"] == 13
    assert (finished["numberOfFailed"], finished["tooManyFailed"]) == (1, True)
    assert finished["report"] == {"bucketName": BUCKET, "objectKey": "one/0-cookies.json"}


def test_a_missing_result_is_an_error(world: World, context: FakeContext) -> None:
    people = [{"n": 0, "numberOfCookiesConsumed": 4}]

    with pytest.raises(ResultMissingError, match=r"one/final-0-ann\.json is missing"):
        post_process_all.handler(event("task.process.all", names=["Ann"], people=people), context)

    assert not world.files()
    assert not world.bus.events


@pytest.mark.parametrize("share", ["", "some", "-0.1", "1.1", "nan"])
def test_an_invalid_share_is_a_configuration_error(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch, share: str
) -> None:
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", share)

    with pytest.raises(ConfigurationError, match="TOLERATED_FAILURE_SHARE"):
        post_process_all.handler(event("task.process.all", names=[], people=[]), context)


# -- reportTaskFailure ----------------------------------------------------------------------------


def message(body: Any) -> dict[str, str]:
    return {"messageId": "m", "body": body if isinstance(body, str) else json.dumps(body)}


def failure_of(delivered: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": delivered,
        "responsePayload": {"errorType": "E", "errorMessage": "why"},
    }


def test_failures_become_events_in_one_batch(world: World, context: FakeContext) -> None:
    failures = [failure_of(event("task.process.single", TaskToken=f"t{n}")) for n in range(10)]

    report_task_failure.handler({"Records": [message(failure) for failure in failures]}, context)

    assert [put["detail"]["TaskToken"] for put in world.bus.events] == [f"t{n}" for n in range(10)]
    assert {put["detail-type"] for put in world.bus.events} == {"task.failed"}
    assert not world.dead_letters()


def test_a_record_without_a_task_goes_to_the_dead_letter_queue_unchanged(
    world: World, context: FakeContext, caplog: pytest.LogCaptureFixture
) -> None:
    without_task = failure_of(without(event("task.process.single"), "TaskToken"))
    with_task = failure_of(event("task.process.single"))

    report_task_failure.handler(
        {"Records": [message(without_task), message("no JSON"), message(with_task)]}, context
    )

    assert sorted(world.dead_letters()) == sorted([json.dumps(without_task), "no JSON"])
    assert world.bus.only["detail"]["error"] == "E"
    refused = [line for line in caplog.records if line.getMessage() == "no task to fail"]
    assert [vars(line)["reason"] for line in refused] == [
        "The event has no TaskToken.",
        "The message is not a failure record.",
    ]


def test_a_batch_that_cannot_be_put_is_repeated_as_a_whole(
    world: World, context: FakeContext
) -> None:
    world.bus.refuses = True
    records = [message(failure_of(event("task.process.single"))), message("no JSON")]

    with pytest.raises(EventsNotPutError):
        report_task_failure.handler({"Records": records}, context)

    assert not world.dead_letters()


# -- All of them ----------------------------------------------------------------------------------


@each_handler("postProcessSingle")
def test_a_repeated_event_has_the_same_effects(
    world: World, context: FakeContext, handler: Any, delivered: dict[str, Any]
) -> None:
    handler(delivered, context)
    files, events = world.files(), [put["detail"] for put in world.bus.events]

    handler(delivered, context)

    assert world.files() == files
    again = [put["detail"] for put in world.bus.events[len(events) :]]
    assert [comparable(detail) for detail in again] == [comparable(detail) for detail in events]


def comparable(detail: dict[str, Any]) -> dict[str, Any]:
    return detail | {"profileUrl": ""}  # it is signed anew


@each_handler("postProcessSingle")
def test_an_event_that_eventbridge_refuses_is_an_error(
    world: World, context: FakeContext, handler: Any, delivered: dict[str, Any]
) -> None:
    world.bus.refuses = True

    with pytest.raises(EventsNotPutError):
        handler(delivered, context)


@each_handler()
def test_an_event_without_an_execution_is_refused(
    world: World, context: FakeContext, handler: Any, delivered: dict[str, Any]
) -> None:
    with pytest.raises(InvalidEventError, match="no execution"):
        handler(without(delivered, "execution"), context)

    assert not world.files()
    assert not world.bus.events


@each_handler("sideEffect")
def test_an_event_without_a_token_is_refused(
    world: World, context: FakeContext, handler: Any, delivered: dict[str, Any]
) -> None:
    with pytest.raises(InvalidEventError, match="no TaskToken"):
        handler(without(delivered, "TaskToken"), context)

    assert not world.files()
    assert not world.bus.events


@each_handler("postProcessSingle")
def test_no_log_line_has_the_token_or_a_url(
    world: World,
    context: FakeContext,
    caplog: pytest.LogCaptureFixture,
    handler: Any,
    delivered: dict[str, Any],
) -> None:
    handler(delivered, context)

    logged = " ".join(str(vars(line)) for line in caplog.records)
    assert caplog.records
    assert TOKEN not in logged
    assert "X-Amz-Signature" not in logged
