"""What a Distributed Map's items did, put together from their executions; and other child runs."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from console.aws import Aws, NotAllowedError, NotFoundError
from console.child_runs import READ, ChildRuns, map_counts
from console.redaction import Redaction
from console.runs import Recording, Run, Runs, run_id
from console.stack import Inventory, Machine
from tests.unit.console.recorded import Events

PREFIX = "arn:aws:states:eu-west-1:123456789012"
PARENT = f"{PREFIX}:execution:shop-parcels:parent"
MAP_RUN = f"{PREFIX}:mapRun:shop-parcels/Send:1"

ITEM: dict[str, Any] = {
    "StartAt": "Light?",
    "States": {
        "Light?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.kilos", "NumericLessThan": 30, "Next": "Send"}],
            "Default": "Refuse",
        },
        "Send": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True},
        "Refuse": {"Type": "Fail", "Error": "TooHeavyError"},
    },
}
MACHINE: dict[str, Any] = {
    "StartAt": "Send Parcels",
    "States": {
        "Send Parcels": {
            "Type": "Map",
            "Label": "Send",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, **ITEM},
            "Next": "Report",
        },
        "Report": {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "End": True,
        },
    },
}


class FakeAws(Aws):
    """Step Functions with a run of MACHINE and the executions of its items."""

    def __init__(self) -> None:
        super().__init__(boto3.Session(region_name="eu-west-1"))
        self.described: dict[str, dict[str, Any]] = {}  # executions by ARN
        self.histories: dict[str, Events] = {}
        self.map_runs = [MAP_RUN]
        self.denied: set[str] = set()
        self.asked: list[str] = []

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        self.asked.append(operation)
        if operation in self.denied:
            raise NotAllowedError(f"No permission for {operation}.")
        if operation == "describe_map_run":
            counts = {"total": 7, "succeeded": 3, "failed": 1, "timedOut": 1, "running": 2}
            return {
                "mapRunArn": given["mapRunArn"],
                "startDate": 1_800_000_000 + self.map_runs.index(given["mapRunArn"]),
                "itemCounts": counts,
            }
        arn = given["executionArn"]
        if arn not in self.described:
            raise NotFoundError("Execution Does Not Exist")
        if operation == "describe_execution":
            return self.described[arn]
        if operation == "describe_state_machine_for_execution":
            return {"definition": json.dumps(MACHINE if arn == PARENT else ITEM)}
        assert operation == "get_execution_history"
        return {"events": list(self.histories[arn])}

    def pages(
        self, service: str, operation: str, key: str, most: int = 100_000, **given: Any
    ) -> Iterator[Any]:
        self.asked.append(operation)
        if operation in self.denied:
            raise NotAllowedError(f"No permission for {operation}.")
        if operation == "list_map_runs":
            yield from ({"mapRunArn": arn} for arn in self.map_runs)
        elif operation == "list_executions":
            items = [one for arn, one in self.described.items() if "/Send:" in arn]
            yield from items[:most]
        else:
            assert operation == "get_execution_history"
            yield from reversed(list(self.histories[given["executionArn"]]))

    def add(self, arn: str, status: str, history: Events, **more: Any) -> None:
        ended = {} if status == "RUNNING" else {"stopDate": 1_800_000_900}
        self.histories[arn] = history
        self.described[arn] = {
            "executionArn": arn,
            "name": arn.rpartition(":")[2],
            "status": status,
            "startDate": 1_800_000_000 + len(self.described),
            "input": "{}",
            **ended,
            **more,
        }


def parent_history(*report: tuple[str, dict[str, Any]], map_run: str | None = MAP_RUN) -> Events:
    """The parent is in its Map; with events of the next state, it has come there."""
    events = Events()
    events("ExecutionStarted", input="{}")
    events("MapStateEntered", name="Send Parcels", input="[]")
    if map_run:
        events("MapRunStarted", mapRunArn=map_run)
    if report:
        events("MapRunSucceeded")
        events("MapStateExited", name="Send Parcels", output="[]")
        events("TaskStateEntered", name="Report", input="{}")
    for kind, details in report:
        events(kind, **details)
    return events


def item_history(last: str, end: str = "") -> Events:
    """An item that came to its last state, and perhaps to its end."""
    events = Events()
    events("ExecutionStarted", input="{}")
    events("ChoiceStateEntered", name="Light?", input="{}")
    events("ChoiceStateExited", name="Light?", output="{}")
    kind = "Fail" if last == "Refuse" else "Task"
    events(f"{kind}StateEntered", name=last, input="{}")
    if end in ("Exited", "Succeeded"):
        events("TaskStateExited", name=last, output="{}")
    if end == "Succeeded":
        events("ExecutionSucceeded", output="{}")
    elif end == "Failed":
        events("ExecutionFailed", error="TooHeavyError", cause="30 kg")
    return events


def item(name: str) -> str:
    return f"{PREFIX}:execution:shop-parcels/Send:{name}"


@pytest.fixture
def aws() -> FakeAws:
    found = FakeAws()
    found.add(PARENT, "RUNNING", parent_history())
    found.add(item("sent"), "SUCCEEDED", item_history("Send", "Succeeded"))
    found.add(item("busy"), "RUNNING", item_history("Send"))
    found.add(item("heavy"), "FAILED", item_history("Refuse", "Failed"))
    return found


class Looked:
    """The parent as its page looks at it."""

    def __init__(self, aws: FakeAws) -> None:
        machine = Machine(
            "shop-parcels", "parcels", f"{PREFIX}:stateMachine:shop-parcels", "STANDARD"
        )
        inventory = Inventory("shop", "123456789012", {}, (machine,))
        self.runs = Runs(aws, inventory, Redaction())
        console: Any = SimpleNamespace(aws=aws, runs=self.runs)
        self.problems: list[dict[str, Any]] = []
        self.run: Run = self.runs.get(run_id(PARENT))
        self.recording: Recording = self.runs.recording(self.run)
        self.children = ChildRuns(console, self.run, self.recording, self.problems)

    def read(self) -> ChildRuns:
        assert self.children.read()
        return self.children

    def states(self) -> dict[str, dict[str, Any]]:
        self.read()
        states = cast(dict[str, dict[str, Any]], self.recording.history.summaries())
        self.children.complete(states)
        return states


def test_what_failed_comes_first_then_what_runs(aws: FakeAws) -> None:
    names = [run.name for run in Looked(aws).children.all()]

    assert names == ["heavy", "busy", "sent"]


def test_the_states_of_a_map_are_those_of_its_items(aws: FakeAws) -> None:
    states = Looked(aws).states()

    at = {node: (one["status"], one["visits"]) for node, one in states.items()}
    assert at["Send Parcels/Light?"] == ("succeeded", 3)
    assert at["Send Parcels/Send"] == ("running", 2)  # of what items are in, what goes on counts
    assert at["Send Parcels/Refuse"] == ("failed", 1)
    assert states["Send Parcels/Refuse"]["error"] == "TooHeavyError"
    assert states["Send Parcels/Send"]["stoppedAt"] is None
    assert at["Report"] == ("notReached", 0)


def test_the_ways_that_items_took_are_drawn(aws: FakeAws) -> None:
    states = Looked(aws).states()

    assert states["Send Parcels"]["taken"] == ["Send Parcels/Light?"]
    taken = set(states["Send Parcels/Light?"]["taken"])
    assert taken == {"Send Parcels/Send", "Send Parcels/Refuse"}


def test_the_counts_of_a_map_are_step_functions_own(aws: FakeAws) -> None:
    assert Looked(aws).states()["Send Parcels"]["map"] == {
        "total": 7,
        "succeeded": 3,
        "failed": 2,
        "running": 2,
        "cancelled": 0,
        "pending": 0,
    }
    assert map_counts({"aborted": 1, "pending": 2, "pendingRedrive": 3}) == {
        "total": 0,
        "succeeded": 0,
        "failed": 0,
        "running": 0,
        "cancelled": 1,
        "pending": 5,
    }


def test_a_state_inside_a_map_shows_the_most_telling_item_that_came_there(aws: FakeAws) -> None:
    looked = Looked(aws)
    children = looked.read()
    nodes = looked.recording.definition.nodes

    def shown(node: str) -> tuple[str, str] | None:
        found = children.of_node(nodes[node])
        return (found[0].name, found[2]) if found else None

    assert shown("Send Parcels/Light?") == ("heavy", "Light?")
    assert shown("Send Parcels/Send") == ("busy", "Send")
    assert shown("Report") is None


def test_the_histories_of_some_items_are_read_and_all_are_listed(aws: FakeAws) -> None:
    for number in range(READ + 5):
        aws.add(item(f"more-{number}"), "SUCCEEDED", item_history("Send", "Succeeded"))
    looked = Looked(aws)
    children = looked.read()

    assert len(children.all()) == READ + 8
    assert len(list(children.histories("Send Parcels"))) == READ


def test_an_item_that_has_ended_is_not_read_again(aws: FakeAws) -> None:
    """Although the emulator's history of an item may have no end."""
    aws.add(item("sent"), "SUCCEEDED", item_history("Send", "Exited"))
    looked = Looked(aws)
    looked.read()
    aws.asked.clear()

    looked.read()

    assert aws.asked.count("get_execution_history") == 1  # of the one that runs


def test_the_error_of_an_item_whose_history_has_no_end_is_the_execution_s(aws: FakeAws) -> None:
    aws.add(item("heavy"), "FAILED", item_history("Refuse"), error="TooHeavyError")

    errors = {run.name: run.error for run in Looked(aws).children.all()}

    assert errors["heavy"] == "TooHeavyError"


OTHERS = [f"{PREFIX}:mapRun:shop-parcels/7f3a:{number}" for number in (1, 2)]


@pytest.mark.parametrize(
    ("named", "map_runs", "found"),
    [
        (OTHERS[1], OTHERS, OTHERS[1]),
        (None, [*OTHERS, MAP_RUN], MAP_RUN),
        (None, OTHERS, OTHERS[0]),
    ],
    ids=["by its event", "by its label", "by the order"],
)
def test_a_map_run_is_found(
    aws: FakeAws, named: str | None, map_runs: list[str], found: str
) -> None:
    aws.add(PARENT, "RUNNING", parent_history(map_run=named))
    aws.map_runs = map_runs

    maps = Looked(aws).children.maps

    assert {node: one["mapRunArn"] for node, one in maps.items()} == {"Send Parcels": found}


def test_of_a_map_that_was_visited_twice_the_last_map_run_is_shown(aws: FakeAws) -> None:
    aws.map_runs = [MAP_RUN, MAP_RUN.replace(":1", ":2")]
    aws.add(PARENT, "RUNNING", parent_history(map_run=None))

    maps = Looked(aws).children.maps

    assert maps["Send Parcels"]["mapRunArn"] == aws.map_runs[-1]


@pytest.mark.parametrize(
    ("denied", "listed"),
    [
        ("list_map_runs", 0),
        ("describe_map_run", 0),
        ("list_executions", 0),
    ],
)
def test_what_may_not_be_read_of_a_map_is_named(aws: FakeAws, denied: str, listed: int) -> None:
    aws.denied = {denied}

    looked = Looked(aws)

    assert len(looked.read().all()) == listed
    assert [(one["what"], one["message"]) for one in looked.problems] == [
        ("items of a Map", f"No permission for {denied}.")
    ]


def test_items_whose_history_may_not_be_read_are_listed(aws: FakeAws) -> None:
    looked = Looked(aws)
    aws.denied = {"get_execution_history"}
    for arn in list(aws.histories):
        looked.runs._recordings.pop(arn, None)

    children = looked.children
    children.read()

    assert len(children.all()) == 3
    assert [one["what"] for one in looked.problems] == ["items of a Map"]


# -- Executions that tasks started ----------------------------------------------------------------

CHILD = f"{PREFIX}:execution:shop-report:child"
CALLED = {"resource": "startExecution.sync:2", "resourceType": "states"}
STARTED = json.dumps({"ExecutionArn": CHILD})


@pytest.mark.parametrize(
    "end",
    [
        ("TaskSucceeded", {"output": STARTED, **CALLED}),
        ("TaskFailed", {"error": "States.TaskFailed", "cause": STARTED, **CALLED}),
    ],
    ids=["succeeded", "failed"],
)
@pytest.mark.parametrize("there", [True, False], ids=["there", "deleted"])
def test_an_execution_that_a_task_started_is_a_child(
    aws: FakeAws, end: tuple[str, dict[str, Any]], there: bool
) -> None:
    scheduled = ("TaskScheduled", {"parameters": "{}", **CALLED})
    aws.add(PARENT, "RUNNING", parent_history(scheduled, ("TaskStarted", CALLED), end))
    if there:
        aws.add(CHILD, "SUCCEEDED", item_history("Send", "Succeeded"))
    looked = Looked(aws)

    children = looked.read().all()

    assert [run.arn for run in children[3:]] == ([CHILD] if there else [])
    assert looked.problems == []


def test_a_child_that_may_not_be_read_is_named(aws: FakeAws) -> None:
    scheduled = ("TaskScheduled", {"parameters": "{}", **CALLED})
    end = ("TaskSucceeded", {"output": STARTED, **CALLED})
    aws.add(PARENT, "RUNNING", parent_history(scheduled, ("TaskStarted", CALLED), end))
    aws.add(CHILD, "SUCCEEDED", item_history("Send", "Succeeded"))
    looked = Looked(aws)
    looked.read()
    aws.denied = {"describe_execution"}

    looked.children.all()

    assert ("child executions", "No permission for describe_execution.") in [
        (one["what"], one["message"]) for one in looked.problems
    ]
