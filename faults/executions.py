"""Step Functions' API about executions, on those of moto's engine: reading, stopping, redriving."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from moto.stepfunctions.parser.api import ExecutionStatus

from faults.network import ServiceError
from faults.virtual_time import Timeline

_REDRIVEN_SECONDS = 30.0


class Executions:
    """The operations that need nothing but the executions themselves."""

    def __init__(self, timeline: Timeline, find_all: Callable[[], Iterable[Any]]) -> None:
        self.redriven: list[str] = []  # ARNs
        self._timeline = timeline
        self._find_all = find_all
        self._tokens: set[str] = set()  # of requests to redrive
        self._stopped: dict[str, datetime] = {}

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """The response; None if the operation is none of these, or about a Map's executions."""
        match operation:
            case "ListExecutions" if "stateMachineArn" in given:
                status = given.get("statusFilter")
                found = [
                    self._present(execution.to_execution_list_item())
                    for execution in self._find_all()
                    if execution.state_machine.arn == given["stateMachineArn"]
                    and status in (None, execution.status)
                ]
                return {"executions": found[::-1]}
            case "DescribeExecution" if "/" not in given["executionArn"]:
                return self._present(self._found(given).to_describe_output())
            case "DescribeStateMachineForExecution":
                return {"definition": self._found(given).state_machine.definition}
            case "GetExecutionHistory":
                return {"events": _history(self._found(given), given)}
            case "StopExecution":
                return self._stop(self._found(given), given)
            case "RedriveExecution":
                return self._redrive(self._found(given), given["clientToken"])
        return None

    def _found(self, given: dict[str, Any]) -> Any:
        for execution in self._find_all():
            if execution.exec_arn == given["executionArn"]:
                return execution
        raise ServiceError("ExecutionDoesNotExist")

    def _present(self, described: Any) -> dict[str, Any]:
        """Without what an execution that runs does not have yet."""
        return {key: value for key, value in described.items() if value is not None} | {
            "status": str(described["status"].value)
        }

    def _stop(self, execution: Any, given: dict[str, Any]) -> dict[str, Any]:
        """The engine notices it only when the state ends."""
        now = datetime.fromtimestamp(self._timeline.now, UTC)
        if execution.status == "RUNNING":
            execution.stop(now, given.get("error"), given.get("cause"))
            self._stopped[execution.exec_arn] = now
            self.ended(execution)
        return {"stopDate": execution.stop_date}

    def ended(self, execution: Any) -> None:
        """The engine has ended an execution: if it was stopped, then that is how it ended."""
        if execution.exec_arn in self._stopped:
            execution.exec_status = ExecutionStatus.ABORTED
            execution.stop_date = self._stopped[execution.exec_arn]
            execution.error = execution.cause = None

    def _redrive(self, execution: Any, token: str) -> dict[str, Any]:
        """The engine cannot do it: the execution runs for a while and fails again."""
        if token not in self._tokens:
            if execution.status not in ("FAILED", "TIMED_OUT", "ABORTED"):
                raise ServiceError("ExecutionNotRedrivable")
            self._tokens.add(token)
            self.redriven.append(execution.exec_arn)
            ended = execution.exec_status
            execution.exec_status = ExecutionStatus.RUNNING

            def end() -> None:
                execution.exec_status = ended

            self._timeline.after(_REDRIVEN_SECONDS, end)
        return {"redriveDate": datetime.fromtimestamp(self._timeline.now, UTC)}


def _history(execution: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    events = [
        {name: value for name, value in event.items() if value is not None}
        | {"type": str(getattr(event["type"], "value", event["type"]))}
        | {"timestamp": datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00"))}
        for event in execution.to_history_output()["events"]
    ]
    copied: list[dict[str, Any]] = json.loads(
        json.dumps(events, default=lambda moment: moment.isoformat())
    )
    for event, copy in zip(events, copied, strict=True):
        copy["timestamp"] = event["timestamp"]
    return copied[::-1] if given.get("reverseOrder") else copied
