"""Putting events are read, and how they on a bus."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.shared import events
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from handlers.shared.events import (
    MAX_ENTRIES,
    MAX_EVENT,
    Event,
    EventsNotPutError,
    EventTooLargeError,
    ReceivedEvent,
    put_events,
    text_field,
)
from tests.unit.fakes import client_error


@dataclass
class FakeEventBridge:
    """PutEvents with the limits of AWS. Entries of the sources in `refused_sources` are refused."""

    refused_sources: set[str] = field(default_factory=set)
    requests: list[list[dict[str, str]]] = field(default_factory=list)
    error: Exception | None = None

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        if self.error:
            raise self.error
        assert 0 < len(Entries) <= 10
        assert sum(size(entry) for entry in Entries) <= 1024 * 1024
        self.requests.append(Entries)
        results = [
            {"ErrorCode": "ThrottlingException", "ErrorMessage": "slower"}
            if entry["Source"] in self.refused_sources
            else {"EventId": f"id-{len(self.requests)}-{index}"}
            for index, entry in enumerate(Entries)
        ]
        refused = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": refused, "Entries": results}

    @property
    def entries(self) -> list[dict[str, str]]:
        return [entry for request in self.requests for entry in request]


def size(entry: dict[str, str]) -> int:
    return 14 + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> FakeEventBridge:
    fake = FakeEventBridge()
    monkeypatch.setattr(events, "client", lambda service, **_: {"events": fake}[service])
    return fake


def make_events(count: int, source: str = "orders", **detail: Any) -> list[Event]:
    return [Event(source, "order.placed", {"n": n, **detail}) for n in range(count)]


def test_the_detail_of_an_event_is_json(bridge: FakeEventBridge) -> None:
    ids = put_events("a-bus", [Event("orders", "order.placed", {"name": 'Åsa "🍪" O’Neil'})])

    (entry,) = bridge.entries
    assert ids == ["id-1-0"]
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == (
        "a-bus",
        "orders",
        "order.placed",
    )
    assert json.loads(entry["Detail"]) == {"name": 'Åsa "🍪" O’Neil'}


@pytest.mark.parametrize(
    ("count", "requests"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])]
)
def test_events_are_put_in_order_ten_per_request(
    bridge: FakeEventBridge, count: int, requests: list[int]
) -> None:
    ids = put_events("a-bus", make_events(count))

    assert [len(request) for request in bridge.requests] == requests
    assert [json.loads(entry["Detail"])["n"] for entry in bridge.entries] == list(range(count))
    assert len(set(ids)) == count


def test_a_request_stays_within_the_size_limit(bridge: FakeEventBridge) -> None:
    put_events("a-bus", make_events(9, padding="x" * (MAX_EVENT - 200)))

    assert [len(request) for request in bridge.requests] == [4, 4, 1]


def test_the_largest_event_that_can_start_a_machine_is_put(bridge: FakeEventBridge) -> None:
    event = event_of_size(MAX_EVENT)

    put_events("a-bus", [event])

    assert size(bridge.entries[0]) == MAX_EVENT


def test_a_larger_event_is_an_error_before_any_event_is_put(bridge: FakeEventBridge) -> None:
    with pytest.raises(EventTooLargeError, match=r"order\.placed has 261121 bytes"):
        put_events("a-bus", [*make_events(12), event_of_size(MAX_EVENT + 1)])

    assert not bridge.requests


def event_of_size(total: int) -> Event:
    overhead = 14 + len("orders") + len("order.placed") + len('{"pad":""}')
    return Event("orders", "order.placed", {"pad": "x" * (total - overhead)})


def test_a_refused_event_is_an_error(bridge: FakeEventBridge) -> None:
    bridge.refused_sources = {"refused"}

    with pytest.raises(EventsNotPutError, match="refused 1 of 3 events: ThrottlingException") as e:
        put_events("a-bus", [*make_events(2), *make_events(1, "refused", secret="s3cret")])

    assert "s3cret" not in str(e.value)


def test_no_request_follows_a_refused_one(bridge: FakeEventBridge) -> None:
    bridge.refused_sources = {"refused"}

    with pytest.raises(EventsNotPutError):
        put_events("a-bus", [*make_events(1, "refused"), *make_events(MAX_ENTRIES)])

    assert len(bridge.requests) == 1


def test_an_internal_error_of_eventbridge_is_transient(bridge: FakeEventBridge) -> None:
    bridge.error = client_error("InternalException", 500)

    with pytest.raises(AwsUnavailableError, match="putting 2 events"):
        put_events("a-bus", make_events(2))


# -- Events that are received ----------------------------------------------------------------------

ENVELOPE = {
    "id": "e1",
    "time": "2026-11-21T10:00:00Z",
    "source": "project",
    "detail-type": "start",
    "detail": {"names": []},
}
FIELDS = {
    "id": "id",
    "time": "time",
    "source": "source",
    "detail-type": "detail_type",
    "detail": "detail",
}


def test_the_fields_of_a_received_event_are_those_of_its_envelope() -> None:
    received = ReceivedEvent(ENVELOPE)

    assert {name: getattr(received, attribute) for name, attribute in FIELDS.items()} == ENVELOPE


@pytest.mark.parametrize("value", [None, 7, "", ["x"]], ids=["null", "number", "empty", "list"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_the_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidEventError, match=f"no {name}"):
        getattr(ReceivedEvent(ENVELOPE | {name: value}), FIELDS[name])


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("envelope", [{}, None, [], "text"], ids=str)
def test_a_missing_field_is_refused_by_name(envelope: Any, name: str) -> None:
    with pytest.raises(InvalidEventError, match=f"no {name}"):
        getattr(ReceivedEvent(envelope), FIELDS[name])


def test_a_missing_field_is_refused_only_when_it_is_read() -> None:
    """A rule's input transformer leaves out the fields that its function does not need."""
    assert ReceivedEvent({"detail": {"n": 1}}).detail == {"n": 1}


def test_a_text_field_is_a_string_with_content() -> None:
    assert text_field({"message": "{}"}, "message") == "{}"
    with pytest.raises(InvalidEventError, match="no message"):
        text_field({"message": {}}, "message")
