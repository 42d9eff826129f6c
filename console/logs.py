"""CloudWatch Logs: the invocations of functions, and which of them belong to a run.

Lambda writes `START`, `END` and `REPORT` around the lines of an invocation, with its request id.
Between them a function may write JSON, as Powertools does, or plain text. An invocation belongs to
a run

- if the run's history has its request id;
- if one of its lines has the run's ARN or name;
- otherwise if a task of the run invokes its function and it ran within one of the task's attempts.
"""

import bisect
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.aws import Aws, ConsoleError, NotFoundError
from console.history import Attempt, History, Visit, millis
from console.runs import Recording, Run
from console.stack import Inventory

BEFORE = 60_000  # ms before a run's start in which a function may have started it
LONGEST = 15 * 60_000  # ms that a function may work
AFTER = 300_000  # ms after its end in which side effects may go on
SLACK = 1_000  # ms by which clocks may differ
MOST_LINES = 5_000  # of one function in one run
MOST_TEXT = 20_000  # characters of a line
SETTLED = 20_000  # ms after a run's end until its logs are complete
FRESH = 2.0  # seconds until the logs of a run are read again

_START = re.compile(r"START RequestId: ([\w-]+)")
_ANY_ID = re.compile(r"RequestId: ([\w-]+)")
_REPORT = re.compile(r"REPORT RequestId: ([\w-]+)\s+Duration: ([\d.]+) ms")
_INIT = re.compile(r"Init Duration: ([\d.]+) ms")
_MEMORY = re.compile(r"Max Memory Used: (\d+) MB")
_TIMED_OUT = re.compile(r"Task timed out after [\d.]+ seconds|Status: timeout")
_LEVEL = re.compile(r"^\[?(DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REQUEST_FIELDS = ("function_request_id", "requestId", "aws_request_id", "AWSRequestId")
_TIME_FIELDS = ("timestamp", "time", "@timestamp")
_LEVEL_FIELDS = ("level", "severity", "log_level", "levelname")
_MESSAGE_FIELDS = ("message", "msg", "event")
_PLATFORM = ("START ", "END ", "REPORT ", "INIT_START", "EXTENSION", "XRAY ")


@dataclass(eq=False)
class Line:
    """One line of a log."""

    at: int
    function: str
    stream: str
    raw: str
    message: str
    level: str | None = None
    request_id: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    platform: bool = False  # written by Lambda itself
    node: str | None = None

    def as_dict(self, title: str) -> dict[str, Any]:
        return {
            "at": self.at,
            "level": self.level,
            "function": title,
            "requestId": self.request_id,
            "message": self.message,
            "fields": self.fields,
            "platform": self.platform,
            "node": self.node,
            "raw": self.raw,
        }


@dataclass(eq=False)
class Invocation:
    """One run of a function."""

    function: str
    request_id: str
    started_at: int
    stopped_at: int | None = None
    duration_ms: float | None = None
    init_ms: float | None = None
    cold: bool = False
    memory_mb: int | None = None
    failed: bool = False
    lines: list[Line] = field(default_factory=list)
    node: str | None = None
    attempt: Attempt | None = None

    def mentions(self, words: Iterable[str]) -> bool:
        return any(word in line.raw for line in self.lines for word in words)


def parse(function: str, stream: str, at: int, text: str) -> Line:
    """A line of a log, with the fields that a person searches for."""
    text = text.rstrip("\n")
    shown = text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + " …"
    line = Line(at, function, stream, shown, shown)
    if text.startswith("{"):
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            _read_fields(line, fields)
            return line
    line.platform = text.startswith(_PLATFORM)
    if (match := _ANY_ID.search(text)) and (line.platform or "Task timed out" in text):
        line.request_id = match[1]
    elif (found := _UUID.search(text)) and "\t" in text:  # Lambda's own text format
        line.request_id = found[0]
    if match := _LEVEL.match(text):
        line.level = match[1].upper().replace("WARNING", "WARN")
    if _TIMED_OUT.search(text) or "Traceback (most recent call last)" in text:
        line.level = "ERROR"
    return line


def _read_fields(line: Line, fields: dict[str, Any]) -> None:
    line.fields = fields
    record = fields.get("record")
    if isinstance(record, dict) and str(fields.get("type", "")).startswith("platform."):
        line.platform = True
        line.message = str(fields["type"])
        line.request_id = _string(record.get("requestId"))
    for name in _REQUEST_FIELDS:
        line.request_id = line.request_id or _string(fields.get(name))
    for name in _LEVEL_FIELDS:
        if line.level is None and isinstance(fields.get(name), str):
            line.level = str(fields[name]).upper().replace("WARNING", "WARN")
    for name in _MESSAGE_FIELDS:
        if isinstance(fields.get(name), str) and not line.platform:
            line.message = fields[name]
            break
    else:
        if "_aws" in fields:  # Embedded Metric Format
            line.platform = True
            names = [name for name in fields if name != "_aws"]
            line.message = "Metrics: " + ", ".join(f"{name} {fields[name]}" for name in names)
    for name in _TIME_FIELDS:
        at = own_time(fields.get(name))
        # The emulator stamps all lines of an invocation with its end.
        if at and abs(at - line.at) < 16 * 60_000:
            line.at = at
            break


def own_time(value: Any) -> int | None:
    """Epoch milliseconds of the time that a function wrote into a line."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return millis(value)
    if not isinstance(value, str):
        return None
    text = value.replace(",", ".", 1).replace("Z", "+00:00")
    if re.search(r"[+-]\d{4}$", text):
        text = f"{text[:-2]}:{text[-2:]}"
    try:
        found = datetime.fromisoformat(text)
        return round(found.timestamp() * 1000) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def invocations(lines: list[Line]) -> list[Invocation]:
    """The invocations of one function, from its lines in the order in which they were written."""
    current: dict[str, str] = {}  # stream → request id
    found: dict[str, Invocation] = {}
    for line in lines:
        if line.request_id is None:
            line.request_id = current.get(line.stream)
        request_id = line.request_id
        if request_id is None:
            continue
        if _START.match(line.raw) or line.message == "platform.start":
            current[line.stream] = request_id
        one = found.get(request_id)
        if one is None:
            one = found[request_id] = Invocation(line.function, request_id, line.at)
        one.lines.append(line)
        _read_report(one, line)
    for one in found.values():
        _fit(one)
    return sorted(found.values(), key=lambda one: one.started_at)


def _read_report(one: Invocation, line: Line) -> None:
    if line.message == "platform.report":
        metrics = line.fields["record"].get("metrics")
        metrics = metrics if isinstance(metrics, dict) else {}
        one.stopped_at, one.duration_ms = line.at, _float(metrics.get("durationMs"))
        one.init_ms = _float(metrics.get("initDurationMs"))
        one.failed = one.failed or line.fields["record"].get("status") not in (None, "success")
    elif match := _REPORT.match(line.raw):
        one.stopped_at, one.duration_ms = line.at, float(match[2])
        if init := _INIT.search(line.raw):
            one.init_ms = float(init[1])
        if memory := _MEMORY.search(line.raw):
            one.memory_mb = int(memory[1])
    one.cold = one.cold or one.init_ms is not None or line.fields.get("cold_start") is True
    one.failed = one.failed or bool(_TIMED_OUT.search(line.raw))


def _fit(one: Invocation) -> None:
    """Start from the duration, where START has the time of the end."""
    starts = [line for line in one.lines if _START.match(line.raw)]
    if one.stopped_at is not None and one.duration_ms is not None:
        by_duration = round(one.stopped_at - one.duration_ms)
        if not starts or starts[0].at >= one.stopped_at:
            one.started_at = by_duration
            for line in starts:
                line.at = by_duration
    one.lines.sort(key=lambda line: line.at)  # stable: equal times keep their order
    if starts and one.lines[0] is not starts[0]:
        one.lines.remove(starts[0])
        one.lines.insert(0, starts[0])


# -- Which invocation belongs where ---------------------------------------------------------------


def function_of(visit: Visit, attempt: Attempt) -> str | None:
    """Name of the function that an attempt invokes."""
    if ":lambda:" in attempt.resource and ":function:" in attempt.resource:
        return _name(attempt.resource)
    if attempt.parameters:
        try:
            sent = json.loads(attempt.parameters)
        except (ValueError, RecursionError):
            sent = None
        if isinstance(sent, dict) and isinstance(sent.get("FunctionName"), str):
            return _name(sent["FunctionName"])
    function = visit.node.function
    return _name(function) if function else None


def _name(function: str) -> str:
    """A function's name, from its ARN."""
    plain = function.partition(":function:")[2] if ":function:" in function else function
    return plain.partition(":")[0]


def attribute(history: History, found: list[Invocation], words: list[str], now: int) -> None:
    """Set `node` and `attempt` of the invocations that tasks of the run have made."""
    by_request = {one.request_id: one for one in found}
    by_function: dict[str, _Timed] = {}
    for name in {one.function for one in found}:
        by_function[name] = _Timed([one for one in found if one.function == name])
    pairs: list[tuple[bool, int, int, Visit, Attempt, Invocation]] = []
    for visit in history.visits:
        for attempt in visit.attempts:
            if attempt.request_id is not None and attempt.request_id in by_request:
                _assign(by_request[attempt.request_id], visit, attempt)
                continue
            timed = by_function.get(function_of(visit, attempt) or "")
            for one in timed.near(visit, attempt) if timed else ():
                distance = _distance(visit, attempt, one, now)
                if distance is not None:
                    pairs.append(
                        (not one.mentions(words), distance, len(pairs), visit, attempt, one)
                    )
    taken: set[int] = set()
    for _, _, _, visit, attempt, one in sorted(pairs, key=lambda pair: pair[:3]):
        if one.attempt is None and id(attempt) not in taken:
            taken.add(id(attempt))
            _assign(one, visit, attempt)


class _Timed:
    """Invocations of one function, found by time."""

    NEIGHBOURS = 8  # of an instant, to each side; as many may run at once

    def __init__(self, found: list[Invocation]) -> None:
        self.by_start = sorted(found, key=lambda one: one.started_at)
        self.by_stop = sorted(found, key=_stop)

    def near(self, visit: Visit, attempt: Attempt) -> list[Invocation]:
        if visit.node.callback or attempt.stopped_at is None:
            at = bisect.bisect(self.by_start, attempt.scheduled_at, key=lambda one: one.started_at)
            ordered = self.by_start
        else:
            at = bisect.bisect(self.by_stop, attempt.stopped_at, key=_stop)
            ordered = self.by_stop
        return ordered[max(0, at - self.NEIGHBOURS) : at + self.NEIGHBOURS]


def _stop(one: Invocation) -> int:
    return one.stopped_at or one.started_at


def _assign(one: Invocation, visit: Visit, attempt: Attempt) -> None:
    one.node, one.attempt = visit.node.id, attempt
    for line in one.lines:
        line.node = visit.node.id


def _distance(visit: Visit, attempt: Attempt, one: Invocation, now: int) -> int | None:
    """How badly an invocation fits an attempt, in ms. None if it does not fit."""
    begin, end = attempt.scheduled_at, attempt.stopped_at or now
    stopped = one.stopped_at
    if visit.node.callback:  # it may answer long after the function has ended
        if not begin - SLACK <= (stopped or one.started_at) or one.started_at > end + SLACK:
            return None
        return abs((stopped or one.started_at) - begin)
    if (stopped or one.started_at) < begin - SLACK or one.started_at > end + SLACK:
        return None
    if attempt.stopped_at is not None and stopped is not None:
        return abs(attempt.stopped_at - stopped)
    return abs(one.started_at - begin)


# -- Reading --------------------------------------------------------------------------------------


@dataclass
class RunLog:
    """The invocations that belong to a run."""

    invocations: list[Invocation] = field(default_factory=list)
    before: list[Invocation] = field(default_factory=list)  # those that mention it before its start
    truncated: bool = False
    problems: list[dict[str, Any]] = field(default_factory=list)
    read_at: float = 0.0  # time.monotonic()
    complete: bool = False
    count: int = 0  # events of the history for which it was read
    size: int = 0  # bytes, about

    def lines(self) -> list[Line]:
        found = [line for one in self.invocations for line in one.lines]
        return sorted(found, key=lambda line: line.at)

    def of_attempt(self, attempt: Attempt) -> Invocation | None:
        return next((one for one in self.invocations if one.attempt is attempt), None)

    def of_node(self, node_id: str) -> list[Invocation]:
        return [one for one in self.invocations if one.node == node_id]


class Logs:
    """Reads the logs of runs, and keeps those of runs that have ended."""

    KEPT = 50  # runs
    KEPT_BYTES = 64 * 1024 * 1024  # of texts in their lines

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self._logs: dict[str, RunLog] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="console-logs")

    def of(self, run: Run, recording: Recording, inventory: Inventory, now: int) -> RunLog:
        """The run's log, at most a few seconds old."""
        with self._lock:
            lock = self._locks.setdefault(run.arn, threading.Lock())
        with lock:
            known = self._logs.get(run.arn)
            if known is not None and (
                known.complete
                or (
                    known.count == recording.history.count
                    and time.monotonic() - known.read_at < FRESH
                )
            ):
                return known
            log = self._read(run, recording, inventory, now)
            with self._lock:
                self._logs.pop(run.arn, None)
                self._logs[run.arn] = log
                size = sum(one.size for one in self._logs.values())
                for arn in list(self._logs)[:-1]:
                    if len(self._logs) <= self.KEPT and size <= self.KEPT_BYTES:
                        break
                    size -= self._logs.pop(arn).size
                    self._locks.pop(arn, None)
            return log

    def known(self, run: Run) -> RunLog | None:
        """What was read last, however old."""
        return self._logs.get(run.arn)

    def mentioning(
        self, word: str, at: int, inventory: Inventory
    ) -> tuple[list[Invocation], list[dict[str, Any]]]:
        """The invocations at a moment that name a word, of all functions, and what is not read."""
        names = {one.name for one in inventory.of_kind("function")} - inventory.observers
        jobs = [(name, at - SLACK, at + LONGEST, word) for name in sorted(names)]
        found: list[Invocation] = []
        problems: list[dict[str, Any]] = []
        for _, lines, _, problem in self._pool.map(lambda job: self._fetch(*job), jobs):
            found += [one for one in invocations(lines) if one.mentions([word])]
            if problem is not None and problem not in problems:
                problems.append(problem)
        return found, problems

    def _read(self, run: Run, recording: Recording, inventory: Inventory, now: int) -> RunLog:
        log = RunLog(read_at=time.monotonic())
        log.complete = run.stopped_at is not None and now > run.stopped_at + SETTLED
        words = [run.arn, run.name]
        start = run.started_at
        end = min((run.stopped_at or now) + AFTER, now + SLACK)
        with recording.lock:
            log.count = recording.history.count
            called = {
                function
                for visit in recording.history.visits
                for attempt in visit.attempts
                if (function := function_of(visit, attempt))
            }
        others = {one.name for one in inventory.of_kind("function")} - called - inventory.observers
        jobs = [(name, start - SLACK, end, "") for name in sorted(called)]
        jobs += [(name, start - BEFORE, end, run.name) for name in sorted(others)]
        found: list[Invocation] = []
        for name, lines, truncated, problem in self._pool.map(lambda job: self._fetch(*job), jobs):
            log.truncated = log.truncated or truncated
            if problem is not None and problem not in log.problems:
                log.problems.append(problem)
            mine = invocations(lines)
            if name in others:
                mine = [one for one in mine if one.mentions(words)]
            found += mine
        with recording.lock:
            attribute(recording.history, found, words, now)
        for one in sorted(found, key=lambda one: one.started_at):
            mentions = one.mentions(words)
            if one.attempt is None and not mentions:
                continue
            early = (one.stopped_at or one.started_at) < start + SLACK and one.started_at < start
            if one.attempt is None and early:
                log.before.append(one)
            log.invocations.append(one)
        # A line has its text, its message and its fields; the rest is about 1,000 bytes.
        log.size = sum(1_000 + 3 * len(line.raw) for one in log.invocations for line in one.lines)
        return log

    def _fetch(
        self, function: str, start: int, end: int, word: str
    ) -> tuple[str, list[Line], bool, dict[str, Any] | None]:
        """Lines of a function's log. With a word: the lines of invocations that mention it."""

        def read(pattern: str = "", streams: list[str] | None = None) -> list[Line]:
            return list(read_lines(self.aws, function, start, end, pattern, streams))

        try:
            if word:
                mentioned = read(f'"{word}"')
                if not mentioned:
                    return function, [], False, None
                streams = list({line.stream for line in mentioned})[:100]
                wanted = {line.request_id for line in mentioned}
                lines = read(streams=streams)
                others = {
                    one.request_id
                    for one in invocations(lines)
                    if one.request_id not in wanted and not one.mentions([word])
                }
                lines = [line for line in lines if line.request_id not in others]
            else:
                lines = read()
        except NotFoundError:  # a function that was never invoked has no log group
            return function, [], False, None
        except ConsoleError as error:
            return function, [], False, {"what": "logs"} | error.as_dict()
        return function, lines, len(lines) >= MOST_LINES, None


def read_lines(
    aws: Aws,
    function: str,
    start: int,
    end: int,
    pattern: str,
    streams: list[str] | None = None,
    most: int = MOST_LINES,
) -> Iterator[Line]:
    """Lines of a function's log, oldest first. Raises ConsoleError."""
    more: dict[str, Any] = {"filterPattern": pattern} if pattern else {}
    if streams:
        more["logStreamNames"] = streams
    for event in aws.pages(
        "logs",
        "filter_log_events",
        "events",
        most=most,
        logGroupName=f"/aws/lambda/{function}",
        startTime=max(0, start),
        endTime=end,
        **more,
    ):
        yield parse(function, event["logStreamName"], event["timestamp"], event["message"])


def selected(
    lines: list[Line], text: str, level: str, function: str, fields: list[str]
) -> list[Line]:
    """Lines that match all filters. A field is `name:value`; the name may be a path, `a.b`."""
    words = text.lower().split()
    found = []
    for line in lines:
        raw = line.raw.lower()
        if (
            all(word in raw for word in words)
            and (not level or (line.level or "") in level.upper().split(","))
            and (
                not function or line.function == function or line.function.endswith(f"-{function}")
            )
            and all(_has(line.fields, wanted) for wanted in fields)
        ):
            found.append(line)
    return found


def _has(fields: dict[str, Any], wanted: str) -> bool:
    name, _, value = wanted.partition(":")
    found: Any = fields
    for part in name.strip().split("."):
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return value.strip().lower() in text.lower()


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
