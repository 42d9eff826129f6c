"""Open callbacks, from recorded histories."""

from datetime import UTC, datetime

import pytest

from console.history import History, millis
from console.runs import Run
from console.waiting import Callback, item_of, open_callbacks
from handlers.observability.callbacks import waiting_since
from tests.unit.console.recorded import NAMES, Recorded, recorded


def run_of(found: Recorded) -> Run:
    return Run("m:e", "arn", "m", "m", "e", "RUNNING", 1_000, None)


def waiting(name: str, events: int | None = None) -> list[Callback]:
    found = recorded(name)
    history = History.of(found.definition, found.events[:events])
    return list(open_callbacks(run_of(found), history))


def test_a_task_that_waits_is_found_with_its_deadline_and_token() -> None:
    [bob] = waiting("signature-waiting")

    assert bob.visit.node.name == "Bob Signature"
    assert bob.token
    assert bob.visit.times_out_at() is not None
    assert bob.visit.waiting_since is not None
    assert bob.run_times_out_at is not None
    assert item_of(bob.visit.inside) is None


@pytest.mark.parametrize("name", ["signature-signed", "signature-declined", "signature-stopped"])
def test_nothing_waits_after_the_end(name: str) -> None:
    assert waiting(name) == []


def test_items_of_a_map_wait_apart() -> None:
    found = waiting("map-waiting")

    assert [item_of(one.visit.inside) for one in found] == [0, 1]
    assert len({one.id for one in found}) == 2


def test_each_event_leaves_ids_of_tasks_as_they_are() -> None:
    """What one answers must not become another task while one reads."""
    count = len(recorded("signature-waiting").events)
    seen = {
        one.id
        for events in range(count - 3, count + 1)
        for one in waiting("signature-waiting", events)
        if one.visit.node.name == "Bob Signature"
    }

    assert len(seen) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_alarm_on_callbacks_finds_the_same(name: str) -> None:
    """The service measures them by itself, from histories without data and without definitions."""
    found = recorded(name)
    for count in range(1, len(found.events) + 1):
        events = [
            event | {"timestamp": datetime.fromtimestamp(millis(event["timestamp"]) / 1000, UTC)}
            for event in found.events[:count]
        ]
        measured = sorted(round(at * 1000) for at in waiting_since(events))

        history = History.of(found.definition, found.events[:count])
        shown = [one.visit.waiting_since for one in open_callbacks(run_of(found), history)]
        if history.status == "RUNNING":  # only of these the service reads histories
            assert measured == sorted(at or 0 for at in shown)


def test_no_id_holds_the_token() -> None:
    for one in waiting("signature-waiting"):
        assert one.token is not None
        assert one.token not in one.id
