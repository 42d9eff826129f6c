"""The history of states inside Parallel and Map."""

import threading
from operator import itemgetter
from typing import Any

import pytest
from ministack.services import stepfunctions as sfn

from local.gaps import machine_timeout, nested_history
from tests.integration.local.conftest import Run

PASS = {"Type": "Pass", "End": True}
PARALLEL = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Left",
                    "States": {"Left": {"Type": "Pass", "Next": "Left End"}, "Left End": PASS},
                },
                {"StartAt": "Right", "States": {"Right": {"Type": "Succeed"}}},
            ],
            "End": True,
        }
    },
}
MAP = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "StartAt": "Big?",
                "States": {
                    "Big?": {
                        "Type": "Choice",
                        "Choices": [{"Variable": "$", "NumericGreaterThan": 1, "Next": "Too Big"}],
                        "Default": "Small",
                    },
                    "Small": PASS,
                    "Too Big": {"Type": "Fail", "Error": "TooBigError", "Cause": "too big"},
                },
            },
            "End": True,
        }
    },
}


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sfn, "_add_event", nested_history.add_event)
    monkeypatch.setattr(sfn, "_run_sub_machine", nested_history.run_sub_machine)


def names(execution: dict[str, Any], kind: str) -> list[str]:
    details = f"state{kind}EventDetails"
    return [event[details]["name"] for event in execution["events"] if details in event]


def test_upstream_still_lacks_it(run: Run) -> None:
    """When this fails, ministack records nested states: local/gaps/nested_history.py can go."""
    assert names(run(PARALLEL), "Entered") == ["Both"]


@pytest.mark.usefixtures("filled")
def test_states_of_every_branch_enter_and_exit(run: Run) -> None:
    execution = run(PARALLEL, {"a": 1})

    assert execution["status"] == "SUCCEEDED"
    assert sorted(names(execution, "Entered")) == ["Both", "Left", "Left End", "Right"]
    assert sorted(names(execution, "Exited")) == ["Both", "Left", "Left End", "Right"]
    assert execution["output"] == '[{"a": 1}, {"a": 1}]'


@pytest.mark.usefixtures("filled")
def test_each_event_names_the_previous_one(run: Run) -> None:
    execution = run(PARALLEL)
    events = {event["id"]: event for event in execution["events"]}
    entered = {
        event["stateEnteredEventDetails"]["name"]: event
        for event in events.values()
        if "stateEnteredEventDetails" in event
    }

    assert sorted(events) == list(range(1, len(events) + 1))
    for name in ("Left", "Right"):  # both branches begin after the Parallel was entered
        assert entered[name]["previousEventId"] == entered["Both"]["id"]
    left = events[entered["Left End"]["previousEventId"]]
    assert left["stateExitedEventDetails"]["name"] == "Left"


@pytest.mark.usefixtures("filled")
def test_states_of_every_item_enter_and_a_failing_one_fails_the_map(run: Run) -> None:
    execution = run(MAP, {"items": [1, 2]})

    assert (execution["status"], execution["error"]) == ("FAILED", "TooBigError")
    assert names(execution, "Entered").count("Big?") == 2
    assert {"Small", "Too Big"} <= set(names(execution, "Entered"))


@pytest.mark.usefixtures("filled")
def test_each_item_begins_and_ends_with_its_index(run: Run) -> None:
    # Given a Map whose items have branches, and states in them
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": PARALLEL, "End": True}

    # When it runs
    execution = run({"StartAt": "Each", "States": {"Each": each}}, {"items": list(range(20))})

    # Then each item has one event that begins it and one that ends it
    started, succeeded = (
        {
            event["id"]: event[f"mapIteration{what}EventDetails"]
            for event in execution["events"]
            if event["type"] == f"MapIteration{what}"
        }
        for what in ("Started", "Succeeded")
    )
    indexes = [{"name": "Each", "index": index} for index in range(20)]
    assert sorted(started.values(), key=itemgetter("index")) == indexes
    assert sorted(succeeded.values(), key=itemgetter("index")) == indexes

    # And its states come after the one that begins it
    both = [
        event
        for event in execution["events"]
        if event.get("stateEnteredEventDetails", {}).get("name") == "Both"
    ]
    assert {event["previousEventId"] for event in both} == set(started)


@pytest.mark.usefixtures("filled")
def test_an_item_that_fails_ends_so(run: Run) -> None:
    execution = run(MAP, {"items": [1, 2]})
    failed = [event for event in execution["events"] if event["type"] == "MapIterationFailed"]
    assert [event["mapIterationFailedEventDetails"]["index"] for event in failed] == [1]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("following", [{"End": True}, {"Next": "After"}], ids=["last", "more"])
def test_nothing_inside_a_map_follows_the_end_of_the_execution(
    following: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a machine that times out while the items of a Map wait
    ended = threading.Event()

    def run_to_the_end(arn: str) -> None:
        machine_timeout.run_execution(arn)
        ended.set()

    monkeypatch.setattr(sfn, "_run_execution", run_to_the_end)
    monkeypatch.setattr(sfn, "_fail_execution", machine_timeout.fail_execution)
    waiting = {"Type": "Wait", "Seconds": 0.6, **following}
    inside = {"StartAt": "Waiting", "States": {"Waiting": waiting, "After": PASS}}
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inside, "End": True}
    machine = {"StartAt": "Each", "States": {"Each": each}, "TimeoutSeconds": 0.2}

    # When the items have waited
    execution = run(machine, {"items": [1, 2]})
    assert ended.wait(10)

    # Then they have no more events
    types = [event["type"] for event in execution["events"]]
    assert types.count("WaitStateEntered") == types.count("MapIterationStarted") == 2
    after = types[types.index("ExecutionTimedOut") + 1 :]
    assert not [kind for kind in after if kind != "MapStateExited"]  # ministack's own


@pytest.mark.usefixtures("filled")
def test_branches_do_not_see_each_others_state_name(run: Run) -> None:
    branch = {"Type": "Pass", "Parameters": {"name.$": "$$.State.Name"}, "End": True}
    names_ = [f"Branch {number}" for number in range(8)]
    definition = {
        "StartAt": "All",
        "States": {
            "All": {
                "Type": "Parallel",
                "Branches": [{"StartAt": name, "States": {name: branch}} for name in names_],
                "End": True,
            }
        },
    }

    execution = run(definition)

    assert execution["output"] == str([{"name": name} for name in names_]).replace("'", '"')
