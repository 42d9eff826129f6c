"""What a state's panel says first: sentences that are true of what has ended, and of what not."""

import json
from typing import Any

import pytest

from console.definition import parse
from console.history import History
from console.run import note
from tests.unit.console.recorded import NAMES, Events, recorded


def notes(history: History) -> list[tuple[str, dict[str, Any]]]:
    """The notes of a run's states, with their names."""
    found = ((visit.node.name, note(visit)) for visit in history.visits)
    return [(name, one) for name, one in found if one is not None]


@pytest.mark.parametrize(
    ("name", "state", "text", "what"),
    [
        (
            "images-failed",
            "All resource downloads did not succeed",
            "DownloadsFailedError: One or more resources failed to download",
            "Failed",
        ),
        ("parallel-caught", "Both", "BadError: it is bad", "Caught"),
        ("timed-out", "Wait", "States.Timeout", "Failed"),
    ],
)
def test_of_what_has_ended_it_says_what_happened_when(
    name: str, state: str, text: str, what: str
) -> None:
    history = recorded(name).history
    found = dict(notes(history))[state]
    exited = [visit.exited_at for visit in history.visits if visit.node.name == state]

    assert (found["text"], found["since"]) == (text, None)
    assert found["happened"] == {"what": what, "at": exited[0]}


@pytest.mark.parametrize("name", NAMES)
def test_only_what_goes_on_is_so_since_a_moment(name: str) -> None:
    for _, found in notes(recorded(name).history):
        assert (found["since"] is not None) == (found["status"] == "waiting")


def test_a_task_without_a_timeout_waits_since_a_moment_and_says_so() -> None:
    found = dict(notes(recorded("map-waiting").history))["Ask"]

    assert found["text"] == "Waiting for a callback"
    assert found["since"] is not None
    assert found["more"] == "It has no timeout of its own."


def test_of_an_attempt_that_failed_it_says_when_and_that_another_one_follows() -> None:
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    called = {"resource": "invoke", "resourceType": "lambda"}
    events = Events()
    events("ExecutionStarted", input="{}")
    events("TaskStateEntered", name="Ask", input="{}")
    events("TaskScheduled", parameters="{}", **called)
    events("TaskStarted", **called)
    events("TaskFailed", error="BusyError", cause="busy", **called)
    definition = parse(json.dumps({"StartAt": "Ask", "States": {"Ask": task}}))

    ((_, found),) = notes(History.of(definition, events.all))

    assert found["text"] == "Attempt 1: BusyError"
    assert found["happened"] == {"what": "Failed", "at": 1_800_000_005_000}
    assert (found["since"], found["more"]) == (None, "Another attempt follows.")
