"""What set a run off, and what it left behind: events, functions, objects, rows, messages, runs.

Nothing here knows a workflow. It looks at the run's input, at the functions that mention it, at the
service calls of its tasks and at their results.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from console.aws import ConsoleError
from console.history import Attempt, History, at_path, millis
from console.logs import RunLog
from console.runs import machine_name, run_id
from console.topology import Topology
from console.values import parsed, strings

if TYPE_CHECKING:
    from console.core import Console

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


def trigger(
    console: "Console", described: dict[str, Any], log: RunLog, topology: Topology | None
) -> list[Link]:
    """What set a run off, the first cause first. Less is known without a topology."""
    given = parsed(described.get("input"))
    found = [Link("object", f"s3://{bucket}/{key}") for bucket, key in objects(given)][:5]
    if _is_event(given):
        found.append(_event(console, given, described["stateMachineArn"], topology))
    elif starting := _known_to_have_started(console, described["executionArn"]):
        found.append(starting)
    for one in log.before:
        title = console.inventory.title("function", one.function)
        found.append(Link("function", title, None, one.started_at))
    arn = at_path("$.AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", given)
    if isinstance(arn, str):
        found.append(execution(console, arn))
    if all(link.kind == "object" for link in found):
        requests = [
            Link("request", name)
            for name, text in (topology.methods if topology else ())
            if described["stateMachineArn"] in text
        ]
        found += requests or ([] if found or not topology else [Link("unknown", "StartExecution")])
    return list(dict.fromkeys(found))


def _is_event(given: Any) -> bool:
    return isinstance(given, dict) and all(
        isinstance(given.get(name), str) for name in ("source", "detail-type")
    )


def _event(
    console: "Console", event: dict[str, Any], machine: str, topology: Topology | None
) -> Link:
    label = f"{event['source']} · {event['detail-type']}"
    rules = [
        rule.title
        for rule in (topology.rules if topology else ())
        # A target may be a version or an alias of the machine.
        if any(f"{target['Arn']}:".startswith(f"{machine}:") for target in rule.targets)
    ]
    if rules:
        label += f", by the rule {' or '.join(rules)}"
    href = None
    if console.inventory.event_log and isinstance(event.get("id"), str):
        href = f"events/{event['id']}"
    return Link("event", label, href, millis(event.get("time")) or None)


def _known_to_have_started(console: "Console", arn: str) -> Link | None:
    """The event that started a run by way of another machine, if the event log knows it."""
    with suppress(ConsoleError):  # without it, the page has all the rest
        log = console.event_log()
        entry = log.starting(run_id(arn)) if log is not None else None
        if entry is not None:
            label = f"{entry.source} · {entry.type}"
            return Link("event", label, f"events/{entry.id}", entry.at)
    return None


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
    given = set(objects(parsed(history.input)))
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
    result = parsed(attempt.output)
    for bucket, key in objects(result):
        if (bucket, key) not in given:
            yield Link("object", f"s3://{bucket}/{key}", None, attempt.stopped_at)
    for text in strings(result):
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


def _dictionary(text: str | None) -> dict[str, Any]:
    value = parsed(text)
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _last(value: Any) -> str:
    return value.replace("/", ":").rpartition(":")[2] if isinstance(value, str) else ""
