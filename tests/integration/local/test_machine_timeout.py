"""A machine's own TimeoutSeconds."""

import json
from typing import Any

import pytest
from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

from local.gaps import machine_timeout
from tests.integration.local.conftest import Run

# On AWS these are whole seconds; ministack and the gap also take fractions.
SLOW = {
    "StartAt": "Wait",
    "TimeoutSeconds": 0.2,
    "States": {
        "Wait": {"Type": "Wait", "Seconds": 0.6, "Next": "Break"},
        "Break": {"Type": "Fail", "Error": "TooLateError", "Cause": "came after the timeout"},
    },
}
QUICK = SLOW | {
    "TimeoutSeconds": 20,
    "States": {"Wait": {"Type": "Wait", "Seconds": 0, "End": True}},
}


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sfn, "_run_execution", machine_timeout.run_execution)
    monkeypatch.setattr(sfn, "_fail_execution", machine_timeout.fail_execution)


def test_upstream_still_lacks_it(run: Run) -> None:
    """When this fails, ministack times machines out: local/gaps/machine_timeout.py can go."""
    assert run(SLOW)["status"] == "FAILED"


@pytest.mark.usefixtures("filled")
def test_an_execution_that_takes_too_long_is_timed_out(run: Run) -> None:
    execution = run(SLOW)

    assert (execution["status"], execution["error"]) == ("TIMED_OUT", "States.Timeout")
    assert execution["stopDate"]
    assert execution["events"][-1]["type"] == "ExecutionTimedOut"


@pytest.mark.usefixtures("filled")
def test_a_timeout_is_an_event_on_the_bus_as_a_stop_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    details: list[Any] = []

    def put(data: dict[str, Any], **_: Any) -> None:
        details.extend(json.loads(entry["Detail"]) for entry in data["Entries"])

    monkeypatch.setattr(eventbridge, "_put_events", put)

    execution = run(SLOW)

    assert [one["status"] for one in details] == ["RUNNING", "TIMED_OUT"]
    assert details[1]["executionArn"] == execution["executionArn"]
    assert details[1]["stateMachineArn"] == execution["stateMachineArn"]


@pytest.mark.usefixtures("filled")
def test_an_execution_in_time_is_left_alone(run: Run) -> None:
    assert run(QUICK)["status"] == "SUCCEEDED"


@pytest.mark.usefixtures("filled")
def test_an_ended_execution_does_not_end_again(run: Run) -> None:
    execution = run(SLOW)

    sfn._fail_execution(execution, "TooLateError", "came after the timeout")

    assert execution["status"] == "TIMED_OUT"
