"""What set a run off, and what it left behind: events, functions, objects, rows, messages, runs.

Nothing here knows a workflow. It looks at the run's input, at the functions that mention it, at the
service calls of its tasks and at their results.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

from console.aws import ConsoleError
from console.history import Attempt, History, at_path, millis
from console.logs import RunLog
from console.runs import machine_name, run_id

if TYPE_CHECKING:
    from console.core import Console

T = TypeVar("T")
MOST = 200
_BUCKETS = ("bucket", "bucketname", "sourcebucket", "targetbucket")
_KEYS = ("key", "objectkey", "object", "s3key")


@dataclass(frozen=True)
class Link:
    """Something that a page shows, or only its name."""

    kind: str  # object, function, execution, event, row, mail, message, schedule, request, unknown
    label: str
    href: str | None = None  # of a page of the console, below its base
    at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "label": self.label, "href": self.href, "at": self.at}


# -- What set it off ------------------------------------------------------------------------------


def trigger(console: "Console", described: dict[str, Any], log: RunLog, run: str) -> list[Link]:
    """What set a run off, the first cause first."""
    try:
        given = json.loads(described.get("input") or "null")
    except (ValueError, RecursionError):
        given = None
    found = [Link("object", f"s3://{bucket}/{key}") for bucket, key in objects(given)][:5]
    if _is_event(given):
        found.append(_event(console, given, described["stateMachineArn"]))
    else:
        found += _started_by(console, run)
    for one in log.before:
        title = console.inventory.title("function", one.function)
        found.append(Link("function", title, None, one.started_at))
    arn = at_path("$.AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", given)
    if isinstance(arn, str):
        found.append(execution(console, arn))
    if all(link.kind == "object" for link in found):
        requests = [
            Link("request", name)
            for name, text in console.api_methods()
            if described["stateMachineArn"] in text
        ]
        found += requests or ([] if found else [Link("unknown", "StartExecution")])
    return list(dict.fromkeys(found))


def _is_event(given: Any) -> bool:
    return isinstance(given, dict) and all(
        isinstance(given.get(name), str) for name in ("source", "detail-type")
    )


def _event(console: "Console", event: dict[str, Any], machine: str) -> Link:
    label = f"{event['source']} · {event['detail-type']}"
    rules = [name for name, targets in console.rule_targets() if machine in targets]
    if rules:
        label += f", by the rule {' or '.join(rules)}"
    href = None
    if console.inventory.event_log and isinstance(event.get("id"), str):
        href = f"events/{event['id']}"
    return Link("event", label, href, millis(event.get("time")) or None)


def _started_by(console: "Console", run: str) -> Iterator[Link]:
    """The event that started a run, if the event log ties it to one."""
    with suppress(ConsoleError):
        log = console.event_log()
        for entry in log.of_run(run) if log else []:
            # It is kept by itself, or with the run if it has given the run its name.
            if entry.job != run or entry.id == run.partition(":")[2]:
                label = f"{entry.source} · {entry.type}"
                yield Link("event", label, f"events/{entry.id}", entry.at)


def execution(console: "Console", arn: str) -> Link:
    machine = console.inventory.machine(machine_name(arn))
    name = arn.rpartition(":")[2]
    return Link(
        "execution", f"{machine.title if machine else ''} {name}".strip(), f"runs/{run_id(arn)}"
    )


# -- What it left behind --------------------------------------------------------------------------


def left_behind(console: "Console", history: History, run: str = "") -> list[Link]:
    """What a run's tasks made that lasts, in the order in which they made it.

    `run` is its name, for which its events are searched.
    """
    given: set[tuple[str, str]] = set()
    with suppress(ValueError, RecursionError):
        given = set(objects(json.loads(history.input or "null")))
    found: dict[Link, None] = {}
    labels: set[str] = set()
    for attempt in _succeeded(history):
        for link in (*_called(console, attempt, run), *_result(attempt, given)):
            if link.label not in labels and len(found) < MOST:
                labels.add(link.label)
                found[link] = None
    return list(found)


def _succeeded(history: History) -> Iterator[Attempt]:
    for visit in history.visits:
        for attempt in visit.attempts:
            if attempt.status == "succeeded":
                yield attempt


def _called(console: "Console", attempt: Attempt, run: str) -> Iterator[Link]:
    """What a call of a service made, by its name and its parameters."""
    sent = _dictionary(attempt.parameters)
    resource = attempt.resource.lower()
    at = attempt.stopped_at
    if "dynamodb:" in resource and any(word in resource for word in ("put", "update")):
        table = _last(sent.get("TableName"))
        key = json.dumps(sent.get("Key", ""), ensure_ascii=False)[:120] if sent.get("Key") else ""
        yield Link("row", f"{table} {key}".strip(), None, at)
    elif "sns:publish" in resource:
        yield Link("message", f"to the topic {_last(sent.get('TopicArn'))}", None, at)
    elif "sqs:sendmessage" in resource:
        yield Link("message", f"to the queue {_last(sent.get('QueueUrl'))}", None, at)
    elif "ses" in resource and "send" in resource:
        yield Link("mail", "a mail", None, at)
    elif "scheduler:createschedule" in resource:
        yield Link("schedule", _last(sent.get("Name")), None, at)
    elif "s3:putobject" in resource and sent.get("Bucket"):
        yield Link("object", f"s3://{sent['Bucket']}/{sent.get('Key', '')}", None, at)
    elif "events:putevents" in resource:
        for entry in _list(sent.get("Entries")):
            source, kind = str(entry.get("Source")), str(entry.get("DetailType"))
            query = urlencode({"text": run, "source": source, "type": kind})
            href = f"events?{query}" if run and console.inventory.event_log else None
            yield Link("event", f"{source} · {kind}", href, at)
    elif "startexecution" in resource:
        result = _dictionary(attempt.output)
        arn = result.get("ExecutionArn") or result.get("executionArn")
        if isinstance(arn, str):
            yield execution(console, arn)


def _result(attempt: Attempt, given: set[tuple[str, str]]) -> Iterator[Link]:
    """What a result says that was made: objects, a mail."""
    if not attempt.output or len(attempt.output) > 100_000:
        return
    try:
        result = json.loads(attempt.output)
    except (ValueError, RecursionError):
        return
    for bucket, key in objects(result):
        if (bucket, key) not in given:
            yield Link("object", f"s3://{bucket}/{key}", None, attempt.stopped_at)
    for text in _strings(result):
        if text.endswith("@email.amazonses.com"):
            yield Link("mail", text.partition("@")[0], f"inbox/{text}", attempt.stopped_at)


def objects(value: Any) -> Iterator[tuple[str, str]]:
    """Buckets and keys in a value: `{"bucket": …, "key": …}` in all spellings, `s3://…`."""
    if isinstance(value, str):
        if value.startswith("s3://") and value.count("/") >= 3:
            bucket, _, key = value[5:].partition("/")
            if key:
                yield bucket, key
        return
    if isinstance(value, list):
        for item in value[:1000]:
            yield from objects(item)
        return
    if not isinstance(value, dict):
        return
    plain = {str(key).lower().replace("_", "").replace("-", ""): one for key, one in value.items()}
    buckets = [_name(plain[name], "name") for name in _BUCKETS if name in plain]
    keys = [_name(plain[name], "key") for name in _KEYS if name in plain]
    if buckets and buckets[0] and keys and keys[0]:
        yield buckets[0], keys[0]
    else:
        for item in value.values():
            yield from objects(item)


def _name(value: Any, field: str) -> str | None:
    """A bucket or key, also as S3's events have it: `{"bucket": {"name": …}}`."""
    if isinstance(value, dict):
        value = value.get(field)
    return value if isinstance(value, str) and value else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value[:1000]:
            yield from _strings(item)


def _dictionary(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _last(value: Any) -> str:
    return value.replace("/", ":").rpartition(":")[2] if isinstance(value, str) else ""


class Cached(Generic[T]):
    """The result of a slow function, for some seconds. After an error nothing, for as long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._read = 0.0
        self._value: list[T] = []

    def get(self, read: Callable[[], Iterable[T]]) -> list[T]:
        if not self._read or time.monotonic() - self._read > self.seconds:
            self._read = time.monotonic()
            try:
                self._value = list(read())
            except ConsoleError:
                self._value = []
        return self._value
