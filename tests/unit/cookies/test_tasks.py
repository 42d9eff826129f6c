"""Which events a function accepts and refuses, and its replies."""

import json
from typing import Any

import pytest

from handlers.cookies.tasks import notification, reply, task_event
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import ReceivedEvent

DETAIL = {"execution": "arn", "stateName": "A State", "TaskToken": "s3cret", "n": 0}
EVENT = {"id": "an id", "source": "project", "detail-type": "task.process.single", "detail": DETAIL}
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:one"
INCOMING = {
    "source": "orders",
    "detail-type": "order.placed",
    "detail": {
        "execution": EXECUTION,
        "stateName": "Place Order",
        "TaskToken": "a token",
        "secretUrl": "https://example.com/?signature=s",
        "amount": 1,
    },
}


def test_a_task_has_all_required_fields() -> None:
    assert task_event(EVENT, "n").detail == DETAIL


def test_a_notification_needs_no_token() -> None:
    detail = {"execution": "arn", "n": 0}

    assert notification(EVENT | {"detail": detail}, "n").detail == detail


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param({}, "no source", id="nothing"),
        pytest.param({"source": "another"}, "source is not project", id="another-source"),
        pytest.param({"source": "project"}, "no detail", id="no-detail"),
        pytest.param({**EVENT, "detail": []}, "no detail", id="a-list"),
        pytest.param({**EVENT, "detail": {**DETAIL, "execution": None}}, "no execution", id="null"),
        pytest.param({**EVENT, "detail": {"execution": "arn"}}, "no TaskToken", id="no-token"),
        pytest.param({**EVENT, "detail": {**DETAIL, "n": None}}, "no n", id="nothing-to-do"),
        pytest.param([], "no source", id="no-event"),
    ],
)
def test_a_refused_event_is_logged_with_the_reason_and_without_the_token(
    event: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidEventError, match=reason):
        task_event(event, "n")

    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("ERROR", "event refused")
    assert reason in vars(line)["reason"]
    assert "s3cret" not in str(vars(line))


def test_a_reply_has_the_correlation_fields_and_its_origin() -> None:
    event = reply(ReceivedEvent(INCOMING), "order.paid", {"paid": True}, fn="pay")

    assert (event.source, event.detail_type) == ("orders", "order.paid")
    assert event.detail == {
        "execution": EXECUTION,
        "stateName": "Place Order",
        "TaskToken": "a token",
        "paid": True,
        "meta": {
            "fn": "pay",
            "incoming": "order.placed",
            "outgoing": "order.paid",
            "execution": EXECUTION,
        },
    }


def test_fields_of_the_payload_win_over_correlation_fields() -> None:
    event = reply(ReceivedEvent(INCOMING), "order.paid", {"stateName": "Another"}, fn="pay")

    assert event.detail["stateName"] == "Another"


def test_only_correlation_fields_are_passed_on() -> None:
    event = reply(ReceivedEvent(INCOMING), "order.paid", {}, fn="pay")

    assert set(event.detail) == {"execution", "stateName", "TaskToken", "meta"}


def test_omitted_fields_are_not_passed_on() -> None:
    event = reply(ReceivedEvent(INCOMING), "order.logged", {}, fn="log", omit=["TaskToken"])

    assert "a token" not in json.dumps(event.detail)


@pytest.mark.parametrize(
    ("incoming", "missing"),
    [
        pytest.param({}, "detail", id="nothing"),
        pytest.param({**INCOMING, "detail": {}}, "execution", id="no-execution"),
        pytest.param(
            {name: INCOMING[name] for name in ("detail", "source")}, "detail-type", id="no-type"
        ),
        pytest.param(
            {name: INCOMING[name] for name in ("detail", "detail-type")}, "source", id="no-source"
        ),
    ],
)
def test_a_malformed_event_has_no_reply(incoming: dict[str, Any], missing: str) -> None:
    with pytest.raises(InvalidEventError, match=f"no {missing}"):
        reply(ReceivedEvent(incoming), "order.paid", {}, fn="pay")
