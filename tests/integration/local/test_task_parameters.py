"""The parameters of a task in the history."""

import json
from typing import Any

import pytest
from ministack.services import stepfunctions as sfn

from local.gaps import nested_history, task_parameters
from tests.integration.local.conftest import Run

START = "arn:aws:states:::aws-sdk:sfn:describeExecution"
TASK = {
    "Type": "Task",
    "Resource": START,
    "Parameters": {"ExecutionArn.$": "$.arn", "Attempt.$": "$$.State.RetryCount"},
    "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 0, "MaxAttempts": 1}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
    "End": True,
}
MACHINE = {"StartAt": "Ask", "States": {"Ask": TASK, "Done": {"Type": "Succeed"}}}
JSONATA = {
    "QueryLanguage": "JSONata",
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": START,
            "Arguments": {"ExecutionArn": "{% $states.input.arn %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}],
            "End": True,
        },
        "Done": {"Type": "Succeed"},
    },
}


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_add_event", "_apply_parameters", "_apply_jsonata_arguments", "_run_sub_machine"):
        monkeypatch.setattr(sfn, name, getattr(sfn, name))  # is set back afterwards
    nested_history.install()
    task_parameters.install()


def sent(execution: dict[str, Any]) -> list[Any]:
    return [
        json.loads(event["taskScheduledEventDetails"]["parameters"])
        for event in execution["events"]
        if event["type"] == "TaskScheduled"
    ]


def test_upstream_still_lacks_it(run: Run) -> None:
    """When this fails, ministack records parameters: local/gaps/task_parameters.py can go."""
    scheduled = [
        event for event in run(MACHINE, {"arn": "x"})["events"] if "Sched" in event["type"]
    ]

    assert scheduled
    assert all("parameters" not in event["taskScheduledEventDetails"] for event in scheduled)


@pytest.mark.usefixtures("filled")
def test_each_attempt_has_its_parameters(run: Run) -> None:
    assert sent(run(MACHINE, {"arn": "x"})) == [
        {"ExecutionArn": "x", "Attempt": 0},
        {"ExecutionArn": "x", "Attempt": 1},
    ]


@pytest.mark.usefixtures("filled")
def test_arguments_in_jsonata_too(run: Run) -> None:
    assert sent(run(JSONATA, {"arn": "y"})) == [{"ExecutionArn": "y"}]


@pytest.mark.usefixtures("filled")
def test_parallel_tasks_have_their_own(run: Run) -> None:
    branches = [
        {
            "StartAt": "Ask",
            "States": {
                "Ask": TASK | {"Parameters": {"ExecutionArn": str(number)}, "Retry": []},
                "Done": {"Type": "Succeed"},
            },
        }
        for number in range(6)
    ]
    both = {"Type": "Parallel", "Branches": branches, "End": True}

    execution = run({"StartAt": "All", "States": {"All": both}}, {"arn": "x"})

    assert sorted(one["ExecutionArn"] for one in sent(execution)) == list("012345")
    ids = [event["id"] for event in execution["events"]]
    assert ids == list(range(1, len(ids) + 1))
