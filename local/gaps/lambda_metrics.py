"""CloudWatch's metrics of Lambda for every invocation.

ministack 1.5.33 records Invocations, Errors, Throttles and Duration only for what the Invoke API
runs. On AWS they count what machines, rules, queues and buckets invoke, too.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

import time
from typing import Any

from ministack.services import lambda_svc

_emit = lambda_svc._emit_lambda_metrics
_execute_upstream = lambda_svc._execute_function_warm


def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    begun = time.monotonic()
    result: dict[str, Any] = _execute_upstream(func, event, request_id)
    milliseconds = (time.monotonic() - begun) * 1000
    _emit(func["config"]["FunctionName"], milliseconds, bool(result.get("error")), False)
    return result


def emit_throttle(function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """Instead of what the Invoke API records: its executions are counted above."""
    if throttle:
        _emit(function_name, duration_ms, error, throttle)


def install() -> None:
    global _execute_upstream  # another gap may have replaced it
    _execute_upstream = lambda_svc._execute_function_warm
    lambda_svc._execute_function_warm = execute
    lambda_svc._emit_lambda_metrics = emit_throttle
