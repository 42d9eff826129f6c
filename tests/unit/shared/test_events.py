"""How events are put on a bus."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.shared import events
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.events import (
    MAX_ENTRIES,
    MAX_EVENT,
    Event,
    EventsNotPutError,
    EventTooLargeError,
    put_events,
)
from tests.unit.fakes import client_error


@dataclass
class FakeEventBridge:
    """PutEvents, with the limits of the real one; refuses entries of the sources it is told to."""

    refuses: set[str] = field(default_factory=set)
    requests: list[list[dict[str, str]]] = field(default_factory=list)
    fails_with: Exception | None = None

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        if self.fails_with:
            raise self.fails_with
        assert 0 < len(Entries) <= 10
        assert sum(size(entry) for entry in Entries) <= 1024 * 1024
        self.requests.append(Entries)
        results = [
            {"ErrorCode": "ThrottlingException", "ErrorMessage": "slower"}
            if entry["Source"] in self.refuses
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


def some(count: int, source: str = "orders", **detail: Any) -> list[Event]:
    return [Event(source, "order.placed", {"n": n, **detail}) for n in range(count)]


def test_an_event_is_put_on_the_bus_as_json(bridge: FakeEventBridge) -> None:
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
def test_events_go_ten_at_a_time_and_in_order(
    bridge: FakeEventBridge, count: int, requests: list[int]
) -> None:
    ids = put_events("a-bus", some(count))

    assert [len(request) for request in bridge.requests] == requests
    assert [json.loads(entry["Detail"])["n"] for entry in bridge.entries] == list(range(count))
    assert len(set(ids)) == count


def test_a_request_stays_below_what_eventbridge_takes_at_once(bridge: FakeEventBridge) -> None:
    put_events("a-bus", some(9, padding="x" * (MAX_EVENT - 200)))

    assert [len(request) for request in bridge.requests] == [4, 4, 1]


def test_the_largest_event_that_can_start_a_machine_is_put(bridge: FakeEventBridge) -> None:
    event = padded_to(MAX_EVENT)

    put_events("a-bus", [event])

    assert size(bridge.entries[0]) == MAX_EVENT


def test_one_byte_more_is_refused_before_anything_is_put(bridge: FakeEventBridge) -> None:
    with pytest.raises(EventTooLargeError, match=r"order\.placed has 261121 bytes"):
        put_events("a-bus", [*some(12), padded_to(MAX_EVENT + 1)])

    assert not bridge.requests


def padded_to(total: int) -> Event:
    around = 14 + len("orders") + len("order.placed") + len('{"pad":""}')
    return Event("orders", "order.placed", {"pad": "x" * (total - around)})


def test_an_event_that_is_refused_is_an_error(bridge: FakeEventBridge) -> None:
    bridge.refuses = {"strangers"}

    with pytest.raises(EventsNotPutError, match="refused 1 of 3 events: ThrottlingException") as e:
        put_events("a-bus", [*some(2), *some(1, "strangers", secret="s3cret")])

    assert "s3cret" not in str(e.value)


def test_nothing_is_put_after_a_request_that_was_refused(bridge: FakeEventBridge) -> None:
    bridge.refuses = {"strangers"}

    with pytest.raises(EventsNotPutError):
        put_events("a-bus", [*some(1, "strangers"), *some(MAX_ENTRIES)])

    assert len(bridge.requests) == 1


def test_eventbridge_out_of_reach_is_a_passing_fault(bridge: FakeEventBridge) -> None:
    bridge.fails_with = client_error("InternalException", 500)

    with pytest.raises(AwsUnavailableError, match="putting 2 events"):
        put_events("a-bus", some(2))
