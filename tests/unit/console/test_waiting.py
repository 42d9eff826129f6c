"""Open callbacks, from recorded histories."""

import pytest

from console.history import History
from console.runs import Run
from console.waiting import Callback, item_of, open_callbacks
from tests.unit.console.recorded import Recorded, recorded


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


def test_no_id_holds_the_token() -> None:
    for one in waiting("signature-waiting"):
        assert one.token is not None
        assert one.token not in one.id
