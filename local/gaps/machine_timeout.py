"""A machine's own `TimeoutSeconds`: the execution ends TIMED_OUT with `States.Timeout`.

ministack 1.5.33 ignores it. The seconds are real seconds: STEPWORKS_WAIT_SCALE shortens the waits
of a machine, but not its timeout.
"""

import contextvars
import json
import threading
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

_run_upstream = sfn._run_execution
_fail_upstream = sfn._fail_execution


def run_execution(arn: str) -> None:
    seconds = _timeout_seconds(arn)
    if seconds is None:
        _run_upstream(arn)
        return
    # The timer's thread finds the execution in the context of the account that started it.
    timer = threading.Timer(seconds, contextvars.copy_context().run, args=(_time_out, arn))
    timer.daemon = True
    timer.start()
    try:
        _run_upstream(arn)
    finally:
        timer.cancel()


def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
    """As upstream, but does not change an execution that has already ended."""
    if execution["status"] == "RUNNING":
        _fail_upstream(execution, error, cause)


def _timeout_seconds(arn: str) -> float | None:
    execution = sfn._executions.get(arn) or {}
    machine = sfn._state_machines.get(execution.get("stateMachineArn"))
    if not machine:
        return None
    seconds: float | None = json.loads(machine["definition"]).get("TimeoutSeconds")
    return seconds


def _time_out(arn: str) -> None:
    execution = sfn._executions.get(arn)
    if not execution or execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", error="States.Timeout", stopDate=now_iso())
    sfn._add_event(
        execution,
        "ExecutionTimedOut",
        {"executionTimedOutEventDetails": {"error": "States.Timeout"}},
    )
    sfn._emit_execution_status_event(execution)


def install() -> None:
    sfn._run_execution = run_execution
    sfn._fail_execution = fail_execution
