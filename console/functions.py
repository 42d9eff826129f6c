"""Functions: how often they were invoked, how often that failed, and what they logged last as an
error.

Counts are those of CloudWatch's metrics; errors those of CloudWatch Logs.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from console.aws import Aws, ConsoleError, NotFoundError
from console.core import Console
from console.history import message
from console.kept import Kept
from console.logs import Line, function_of, read_lines
from console.logs import invocations as invocations_of
from console.polling import now

HOUR = 3_600_000  # ms
LOOKED_BACK = (HOUR, 24 * HOUR)  # for an error: first here, then further
PATTERNS = ("ERROR", '"Task timed out"')
AROUND = 120_000  # ms in which the other lines of an error's invocation are looked for
MOST_LINES = 500  # of a pattern, in a window
ERRORS_KEPT = 20.0  # seconds
PATIENCE = 0.15  # seconds that a page waits for errors; then it asks again
# GetMetricData costs money, and on AWS metrics are minutes old anyway.
METRICS_KEPT, LOCAL_METRICS_KEPT = 60.0, 3.0  # seconds
METRICS_AT_ONCE = 500
METRICS_PATIENCE = 0.05  # seconds that a page waits for newer ones
METRICS_REMEMBERED = 20  # sets of metrics
SLACK = 2_000  # ms by which clocks may differ
LIKELY = 10  # runs whose histories are looked through for an error
_SERIOUS = ("ERROR", "CRITICAL", "FATAL")
_EXECUTION = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:execution:([\w-]+):([\w-]+)")


# -- Metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """A sum that CloudWatch keeps."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class Metrics:
    """Sums of metrics over the last hours, a moment old.

    `changed` is called when a reading in the background has found something new.
    """

    def __init__(self, aws: Aws, local: bool, changed: Callable[[], None] | None = None) -> None:
        self._aws = aws
        self._fresh = LOCAL_METRICS_KEPT if local else METRICS_KEPT
        self._changed = changed
        self._known: dict[tuple[int, frozenset[Metric]], Kept[dict[Metric, float]]] = {}
        self._lock = threading.Lock()

    def sums(self, metrics: Iterable[Metric], hours: int) -> dict[Metric, float]:
        """The sums that are not zero. Raises ConsoleError."""
        wanted = frozenset(metrics)
        with self._lock:
            if (hours, wanted) not in self._known and len(self._known) >= METRICS_REMEMBERED:
                self._known.clear()
            kept = self._known.setdefault(
                (hours, wanted),
                Kept(
                    partial(self._read, sorted(wanted, key=repr), hours),
                    self._fresh,
                    self._changed,
                ),
            )
        found = kept.soon(METRICS_PATIENCE)
        return kept.get() if found is None else found

    def _read(self, metrics: list[Metric], hours: int) -> dict[Metric, float]:
        period = 60 if hours <= 3 else 300
        end = (time.time() // period + 1) * period
        found: dict[Metric, float] = {}
        for at in range(0, len(metrics), METRICS_AT_ONCE):
            part = metrics[at : at + METRICS_AT_ONCE]
            for result in self._aws.pages(
                "cloudwatch",
                "get_metric_data",
                "MetricDataResults",
                StartTime=datetime.fromtimestamp(end - hours * 3600, UTC),
                EndTime=datetime.fromtimestamp(end, UTC),
                MetricDataQueries=[
                    {
                        "Id": f"m{index}",
                        "MetricStat": {
                            "Metric": {
                                "Namespace": metric.namespace,
                                "MetricName": metric.name,
                                "Dimensions": [
                                    {"Name": name, "Value": value}
                                    for name, value in metric.dimensions
                                ],
                            },
                            "Period": period,
                            "Stat": "Sum",
                        },
                        "ReturnData": True,
                    }
                    for index, metric in enumerate(part)
                ],
            ):
                total = sum(result.get("Values", []))
                if total:
                    metric = part[int(result["Id"][1:])]
                    found[metric] = found.get(metric, 0) + total
        return found


def invocations(function: str) -> Metric:
    return Metric("AWS/Lambda", "Invocations", (("FunctionName", function),))


def failures(function: str) -> Metric:
    return Metric("AWS/Lambda", "Errors", (("FunctionName", function),))


# -- Errors ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """An error that a function logged."""

    at: int
    text: str
    request_id: str | None
    run: str | None  # id

    def as_dict(self) -> dict[str, Any]:
        return {"at": self.at, "text": self.text, "requestId": self.request_id, "run": self.run}


class Errors:
    """The last error of each function, read in the background."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="console-errors")
        self._known: dict[str, tuple[float, Failure | ConsoleError | None]] = {}
        self._reading: set[str] = set()
        self._changed = threading.Condition()

    def of(self, functions: list[str]) -> tuple[dict[str, Failure | ConsoleError | None], bool]:
        """What is known of these functions, and whether more comes soon."""
        with self._changed:
            for name in functions:
                read_at, _ = self._known.get(name, (float("-inf"), None))
                if name not in self._reading and time.monotonic() - read_at > ERRORS_KEPT:
                    self._reading.add(name)
                    self._pool.submit(self._read, name)
            self._changed.wait_for(lambda: not self._missing(functions), PATIENCE)
            known = {name: self._known[name][1] for name in functions if name in self._known}
            return known, bool(self._missing(functions))

    def with_run(self, function: str, last: Failure, find: Callable[[], str | None]) -> Failure:
        """The failure with its run, which is looked for once."""
        try:
            found = replace(last, run=find())
        except ConsoleError:
            return last
        with self._changed:
            read_at, known = self._known.get(function, (0.0, None))
            if known == last:
                self._known[function] = (read_at, found)
        return found

    def _missing(self, functions: list[str]) -> list[str]:
        return [name for name in functions if name not in self._known]

    def _read(self, function: str) -> None:
        found: Failure | ConsoleError | None
        try:
            line = last_error(self._lines, function, now())
            found = self._failure(line) if line else None
        except ConsoleError as error:
            found = error
        finally:
            with self._changed:
                self._reading.discard(function)
        with self._changed:
            self._known[function] = (time.monotonic(), found)
            self._changed.notify_all()

    def _failure(self, line: Line) -> "Failure":
        """What the line says, and what the other lines of its invocation add: the run."""
        request_id, run = line.request_id, run_of(line)
        if run is None:
            around = (line.at - AROUND, line.at + AROUND)
            near = self._lines(line.function, *around, "", line.stream)
            for one in invocations_of(near):
                if any((other.at, other.raw) == (line.at, line.raw) for other in one.lines):
                    request_id = one.request_id
                    run = next(filter(None, map(run_of, one.lines)), None)
        return Failure(line.at, sentence(line), request_id, run)

    def _lines(
        self, function: str, start: int, end: int, pattern: str, stream: str | None = None
    ) -> list[Line]:
        streams = [stream] if stream else None
        try:
            return list(
                read_lines(self._aws, function, start, end, pattern, streams, most=MOST_LINES)
            )
        except NotFoundError:  # a function that was never invoked has no log group
            return []


def last_error(
    lines: Callable[[str, int, int, str], list[Line]], function: str, at: int
) -> Line | None:
    """The newest line that a function logged as an error."""
    end = at
    for back in LOOKED_BACK:
        found = [
            line
            for pattern in PATTERNS
            for line in lines(function, at - back, end, pattern)
            if line.level in _SERIOUS
        ]
        if found:
            return max(found, key=lambda line: line.at)
        end = at - back
    return None


def sentence(line: Line) -> str:
    """What an error's line says, in one: `NoValidReadingsError: the file has no reading`."""
    name = line.fields.get("exception_name")
    message = line.message.strip()
    if not line.fields:  # Lambda's own: [ERROR] <time> <request id> <message>, or with a traceback
        message = re.sub(r"^\[?(ERROR|CRITICAL|FATAL)\]?\s*", "", message)
        message = re.sub(r"^\d{4}-\d\d-\d\dT\S+\s+(?:RequestId: )?[\w-]{36}\s*", "", message)
    first = message.partition("\n")[0].strip()
    cause = str(line.fields.get("exception", "")).strip().rpartition("\n")[2]
    if name and cause:
        return f"{first} ({cause})" if cause.startswith(str(name)) else f"{first} ({name})"
    return first


def run_of(line: Line) -> str | None:
    """The id of the run that a line names."""
    match = _EXECUTION.search(line.raw)
    return f"{match[1]}:{match[2]}" if match else None


def failed_run(console: Console, function: str, last: Failure) -> str | None:
    """The run in which a function failed with this error, by the histories of runs at that time."""
    runs = console.runs
    machines = {
        one.source.partition("/")[2]
        for one in console.topology.leading_to(f"function/{function}")
        if one.kind == "invokes"
    }
    near = [
        run
        for run in list(runs.by_id.values())
        if run.machine in machines
        and run.started_at - SLACK <= last.at
        and (run.stopped_at is None or last.at <= run.stopped_at + SLACK)
    ]
    near.sort(key=lambda run: (run.status == "SUCCEEDED", abs((run.stopped_at or now()) - last.at)))
    for run in near[:LIKELY]:
        recording = runs.recording(run)
        with recording.lock:
            for visit in recording.history.visits:
                for attempt in visit.attempts:
                    said = message(attempt.cause)
                    if said and said in last.text and function_of(visit, attempt) == function:
                        return run.id
    return None


def described(
    console: Console, errors: Errors, metrics: Metrics, names: list[str], hours: int
) -> dict[str, Any]:
    """Counts and the last error of functions."""
    found, reading = errors.of(names)
    problems: list[dict[str, Any]] = []
    counts: dict[Metric, float] = {}
    wanted = [metric(name) for name in names for metric in (invocations, failures)]
    try:
        counts = metrics.sums(wanted, hours) if wanted else {}
    except ConsoleError as error:
        problems.append({"what": "metrics"} | error.as_dict())
    rows = []
    for name in names:
        last = found.get(name)
        if isinstance(last, ConsoleError):
            problem = {"what": "logs of functions"} | last.as_dict()
            if problem not in problems:
                problems.append(problem)
            last = None
        if last is not None and last.run is None:
            last = errors.with_run(name, last, partial(failed_run, console, name, last))
        rows.append(
            {
                "name": name,
                "title": console.inventory.title("function", name),
                "invocations": round(counts.get(invocations(name), 0)),
                "errors": round(counts.get(failures(name), 0)),
                "lastError": last.as_dict() if last else None,
                "reading": name not in found,
            }
        )
    return {"functions": rows, "hours": hours, "reading": reading, "problems": problems}
