"""Which events a function works on, which it refuses, and the events it replies with."""

import json
from typing import Any

import pytest

from handlers.cookies.tasks import notice, reply, task
from handlers.shared.errors import InvalidEventError

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


def test_a_task_has_what_it_needs() -> None:
    assert task(EVENT, "n") == DETAIL


def test_a_notice_needs_no_token() -> None:
    told = {"execution": "arn", "n": 0}

    assert notice(EVENT | {"detail": told}, "n") == told


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param({}, "no source", id="nothing"),
        pytest.param({"source": "another"}, "source is not project", id="another-source"),
        pytest.param({"source": "project"}, "no detail", id="no-detail"),
        pytest.param({**EVENT, "detail": []}, "no execution", id="a-list"),
        pytest.param({**EVENT, "detail": {**DETAIL, "execution": None}}, "no execution", id="null"),
        pytest.param({**EVENT, "detail": {"execution": "arn"}}, "no TaskToken", id="no-token"),
        pytest.param({**EVENT, "detail": {**DETAIL, "n": None}}, "no n", id="nothing-to-do"),
        pytest.param([], "no source", id="no-event"),
    ],
)
def test_what_is_refused_is_logged_with_the_reason_and_without_the_token(
    event: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidEventError, match=reason):
        task(event, "n")

    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("ERROR", "event refused")
    assert reason in vars(line)["reason"]
    assert "s3cret" not in str(vars(line))


def test_a_reply_carries_what_ties_it_to_the_waiting_task_and_says_where_it_comes_from() -> None:
    event = reply(INCOMING, "order.paid", {"paid": True}, fn="pay")

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


def test_own_fields_win_over_those_that_came() -> None:
    event = reply(INCOMING, "order.paid", {"stateName": "Another"}, fn="pay")

    assert event.detail["stateName"] == "Another"


def test_nothing_but_correlation_is_passed_on() -> None:
    event = reply(INCOMING, "order.paid", {}, fn="pay")

    assert set(event.detail) == {"execution", "stateName", "TaskToken", "meta"}


def test_a_token_that_nobody_there_needs_stays_behind() -> None:
    event = reply(INCOMING, "order.logged", {}, fn="log", without=["TaskToken"])

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
def test_what_is_no_event_cannot_be_answered(incoming: dict[str, Any], missing: str) -> None:
    with pytest.raises(InvalidEventError, match=f"no {missing}"):
        reply(incoming, "order.paid", {}, fn="pay")
