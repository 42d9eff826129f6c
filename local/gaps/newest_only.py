"""A bound on what the local AWS keeps of the past: the newest executions, events, mails and logs.

ministack 1.5.33 keeps all of them in memory until it stops. AWS has limits, too: executions are
kept for 90 days, logs as long as their group says. Here the limit is a number, `STEPWORKS_KEEP`, of

- executions that have ended, with their histories. Child executions stay as long as their Map Run
  is running. The name of an execution that is gone can be used again;
- events on all buses, and mails;
- log streams of each function: ministack writes one for each invocation;
- data points of each CloudWatch metric.

What workflows store stays: objects, items, messages in queues.
"""

import threading
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch, eventbridge, lambda_svc, ses, ses_v2
from ministack.services import cloudwatch_logs as logs
from ministack.services import stepfunctions as sfn

from local.settings import DEFAULT_KEEP, Settings

keep = DEFAULT_KEEP

_events_upstream = eventbridge._events_log_list
_mails_upstream = ses._sent_emails_list
_metric_upstream = cloudwatch._metric_bucket
_emit_logs_upstream = lambda_svc._emit_lambda_logs
_lock = threading.Lock()


class Executions(AccountRegionScopedDict):  # type: ignore[misc]  # ministack has no types
    """Executions in the order of their start. Those that ended first leave it."""

    __slots__ = ("_check_at",)

    def __init__(self) -> None:
        super().__init__()
        self._check_at = keep + _slack()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if len(self._data) > self._check_at:
            with _lock:
                self._forget_oldest()
                # Not at every start: a check passes all executions, also those that are running.
                self._check_at = max(keep, len(self._data)) + _slack()

    def _forget_oldest(self) -> None:
        running = {
            run["mapRunArn"] for run in sfn._map_runs.all_values() if run["status"] == "RUNNING"
        }
        ended = sorted(
            (execution["stopDate"], scoped)
            for scoped, execution in list(self._data.items())
            if execution["stopDate"] and execution.get("mapRunArn") not in running
        )
        gone = set()
        for _, scoped in ended[: max(0, len(ended) - keep)]:
            if self._data.pop(scoped, None):
                gone.add(scoped[2])
        for scoped, run in list(sfn._map_runs._data.items()):
            if run["executionArn"] in gone:
                sfn._map_runs._data.pop(scoped, None)


def _slack() -> int:
    """How many more than `keep` there may be until the oldest are removed together."""
    return max(1, keep // 20)


def trimmed(records: list[Any]) -> list[Any]:
    """The list itself, without its oldest records if it has too many."""
    if len(records) > keep + _slack():
        with _lock:
            del records[: max(0, len(records) - keep)]
    return records


def events() -> list[Any]:
    return trimmed(_events_upstream())


def mails() -> list[Any]:
    return trimmed(_mails_upstream())


def metric_points(key: tuple[Any, ...]) -> list[Any]:
    return trimmed(_metric_upstream(key))


def emit_logs(function: dict[str, Any], *arguments: Any, **named: Any) -> None:
    """Write the logs of an invocation, then remove the oldest streams of its group."""
    _emit_logs_upstream(function, *arguments, **named)
    config = function.get("config") or function
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    found = logs._log_groups.get(group or f"/aws/lambda/{config.get('FunctionName')}")
    if found and len(found["streams"]) > keep + _slack():
        with _lock:
            oldest = list(found["streams"])[: max(0, len(found["streams"]) - keep)]
            for stream in oldest:
                found["streams"].pop(stream, None)


def install() -> None:
    global keep
    keep = Settings.from_environment().keep
    executions = Executions()
    executions._data.update(sfn._executions._data)
    sfn._executions = executions
    eventbridge._events_log_list = events
    ses._sent_emails_list = ses_v2._sent_emails_list = mails
    cloudwatch._metric_bucket = metric_points
    lambda_svc._emit_lambda_logs = emit_logs
