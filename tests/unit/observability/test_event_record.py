"""What an event becomes in the event log."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.observability.event_record import (
    MAX_DETAIL,
    EventRecord,
    event_of,
    event_record,
    item_of,
)
from handlers.observability.redaction import token_hash
from handlers.observability.timeline import STATUS_CHANGE
from handlers.shared.errors import InvalidEventError

ID = "0b5c3f6e-5a3c-4d8f-9f0b-2f6a3a0f0a01"
ARN = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-cookies:one"
TIME = "2026-01-31T12:00:00Z"
MS = 1769860800000
START = 1769860799_250


def envelope(detail: Any, **fields: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "time": TIME,
        "source": "project",
        "detail-type": "task.finished",
        "detail": detail,
        **fields,
    }


def record(detail: Any, **fields: Any) -> EventRecord:
    return event_record(
        envelope(detail, **fields),
        machine_prefix="stepworks-test-",
        received=MS + 300,
        hashed=token_hash(b"key"),
    )


def status_change(status: str, **fields: Any) -> EventRecord:
    detail = {
        "executionArn": ARN,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m",
        "name": "one",
        "status": status,
        "startDate": START,
        "stopDate": None if status == "RUNNING" else START + 1500,
        "input": "{}",
        **fields,
    }
    return record(detail, source=STATUS_CHANGE[0], **{"detail-type": STATUS_CHANGE[1]})


def test_an_event_of_an_execution_belongs_to_it() -> None:
    found = record({"execution": ARN, "n": 3})

    assert found.event.job == "stepworks-test-cookies:one"
    assert (found.execution, found.workflow, found.change) == (ARN, "cookies", None)
    assert found.entry == f"event#2026-01-31T12:00:00.000Z#{ID}"
    assert found.event.at == MS + 300


@pytest.mark.parametrize(
    "execution", [None, 3, "", "one", ARN + ":x", ARN.replace("states", "lambda"), ARN + "\n"]
)
def test_an_event_of_no_execution_has_a_job_of_its_own(execution: Any) -> None:
    found = record({"execution": execution})

    assert found.event.job == f"event:{ID}"
    assert (found.execution, found.workflow) == (None, None)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_a_change_of_status_has_the_time_of_the_change(status: str) -> None:
    found = status_change(status)

    assert found.event.time == START + (0 if status == "RUNNING" else 1500)
    assert found.change
    assert found.change.status == status
    assert found.change.started_at == START
    assert found.change.stopped_at == (None if status == "RUNNING" else START + 1500)


def test_a_redriven_execution_is_later_than_its_failure() -> None:
    failed = status_change("FAILED").change
    redriven = status_change("RUNNING", redriveCount=1, redriveDate=START + 9000)

    assert failed
    assert redriven.change
    assert redriven.change.rank > failed.rank
    assert redriven.event.time == START + 9000


@pytest.mark.parametrize("time", [None, "soon", -1, 0, 10**20, True, 1.5])
def test_a_change_without_a_usable_time_has_the_envelopes(time: Any) -> None:
    assert status_change("RUNNING", startDate=time).event.time == MS


def test_a_change_ranks_above_every_one_before_it() -> None:
    running, failed, other = (
        status_change(status).change for status in ("RUNNING", "FAILED", "SUCCEEDED")
    )

    assert running
    assert failed
    assert other
    assert running.rank < failed.rank
    assert failed.rank == other.rank  # an execution ends once


@pytest.mark.parametrize(
    ("change", "started_by"),
    [
        pytest.param({"name": ID}, ID, id="the name is the event's id"),
        pytest.param({"name": f"{ID}_f3b2"}, ID, id="the name begins with it"),
        pytest.param(
            {"input": json.dumps(envelope({"message": "1"})), "name": "redrive-1"},
            ID,
            id="the input is the event",
        ),
        pytest.param({"name": "by-hand"}, None, id="started by hand"),
        pytest.param({"input": None}, None, id="the input is left out"),
        pytest.param({"input": "not JSON"}, None, id="the input is no JSON"),
        pytest.param({"input": "[" * 100_000}, None, id="the input is nested too deep"),
    ],
)
def test_an_execution_says_which_event_started_it(
    change: dict[str, Any], started_by: str | None
) -> None:
    found = status_change("RUNNING", **change)

    assert found.change
    assert found.change.started_by == started_by


def test_only_what_an_event_can_start_is_tied_to_one() -> None:
    """The API names executions by the id of its request, which looks like an event's."""
    arn = ARN.replace("cookies", "images")
    found = status_change("RUNNING", executionArn=arn, name=ID)

    assert found.change
    assert found.change.started_by is None


def test_an_item_is_the_event_without_its_secrets() -> None:
    found = record({"execution": ARN, "TaskToken": "tiger", "profileUrl": "https://tiger/"})
    item = item_of(found, expiration=1, recorded=2)

    assert "tiger" not in str(item)
    assert event_of(item) == found.event
    assert item["execution"] == {"S": ARN}


@pytest.mark.parametrize("field", ["id", "time", "source", "detail-type", "detail"])
def test_an_event_that_is_not_one_is_refused(field: str) -> None:
    with pytest.raises(InvalidEventError, match=field):
        record(**{"detail": {}, field: None})


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31T12:00:00", 3])
def test_a_time_that_is_not_one_is_refused(time: Any) -> None:
    with pytest.raises(InvalidEventError, match="time"):
        record({}, time=time)


def test_a_detail_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="no detail that is an object"):
        record([1])


# -- Large events ---------------------------------------------------------------------------------


def test_of_a_large_event_the_small_values_are_kept() -> None:
    found = record({"execution": ARN, "n": 3, "TaskToken": "t", "names": ["x" * 100] * 10_000})

    assert found.event.truncated
    assert found.event.detail["n"] == 3
    assert found.event.token
    assert found.event.detail["names"] == "(left out: 1030001 bytes)"
    assert item_of(found, expiration=1, recorded=2)["truncated"] == {"BOOL": True}
    assert event_of(item_of(found, expiration=1, recorded=2)) == found.event


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=9).map(lambda text: text * 2_000),
        st.text(st.characters(codec="utf-8"), max_size=9).map(lambda text: text * 20_000),
        max_size=12,
    )
)
def test_an_item_is_never_too_large_for_dynamodb(detail: dict[str, Any]) -> None:
    item = item_of(record(detail), expiration=1, recorded=2)

    assert len(item["detail"]["S"].encode()) <= MAX_DETAIL
    assert ("truncated" in item) == (json.loads(item["detail"]["S"]) != detail)


def test_a_detail_that_is_nested_too_deep_is_left_out() -> None:
    detail: Any = {"execution": ARN}
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    found = record(detail | {"nested": nested})

    assert (found.event.detail, found.event.truncated) == ({}, True)
    assert found.execution == ARN


def test_a_text_without_a_utf8_form_is_stored() -> None:
    item = item_of(
        record({"execution": ARN, "name": "\ud800"}, **{"detail-type": "\ud800"}),
        expiration=1,
        recorded=2,
    )

    json.dumps(item, ensure_ascii=False).encode()
