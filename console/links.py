"""What set a run off, and what it left behind: events, functions, objects, rows, messages, runs.

Nothing here knows a workflow. It looks at the run's input, at the functions that mention it, at the
service calls of its tasks and at their results. What belongs to the stack is a link to the page
that shows it; of what does not, there is only the name.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from console.aws import BadRequestError
from console.history import Attempt, History, at_path, millis
from console.logs import RunLog
from console.runs import machine_name, run_id
from console.table_items import TableKeys, plain, typed_key
from console.topology import Topology, names_dead_letters
from console.values import parsed, strings

if TYPE_CHECKING:
    from console.core import Console
    from console.events import Entry

MOST = 200
LONGEST_ADDRESS = 4_000  # characters
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
    console: "Console",
    described: dict[str, Any],
    log: RunLog,
    topology: Topology | None,
    started_by: "Entry | None" = None,
) -> list[Link]:
    """What set a run off, the first cause first. Less is known without a topology.

    `started_by`: the event that started it, perhaps by way of another machine, if the event log
    knows it.
    """
    given = parsed(described.get("input"))
    found = [_object(console, one) for one in objects(given)][:5]
    if _is_event(given):
        found.append(_event(console, given, described["stateMachineArn"], topology))
    elif started_by is not None:
        label = f"{started_by.source} · {started_by.type}"
        found.append(Link("event", label, f"events/{started_by.id}", started_by.at))
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


def execution(console: "Console", arn: str) -> Link:
    machine = console.inventory.machine(machine_name(arn))
    name = arn.rpartition(":")[2]
    return Link(
        "execution", f"{machine.title if machine else ''} {name}".strip(), f"runs/{run_id(arn)}"
    )


# -- Pages of what is in the stack ----------------------------------------------------------------
# No name in a query ends in "key": what follows such a name is taken for a secret and hidden.


def _object(console: "Console", one: "ObjectRef", at: int | None = None) -> Link:
    uri, href = f"s3://{one.bucket}/{one.key}", None
    owned = console.inventory.resource("bucket", one.bucket) is not None
    if owned and console.redaction.text(uri) == uri:
        query = {"bucket": one.bucket, "object": one.key}
        href = _address("object", query | ({"version": one.version} if one.version else {}))
    return Link("object", uri, href, at)


def _row(console: "Console", table: str, key: dict[str, Any], at: int | None) -> Link:
    """An item of a table, named by its name or its ARN."""
    name = _last(table)
    try:
        values = plain(typed_key(key))
    except BadRequestError:  # the key is not known
        return Link("row", name, None, at)
    cleaned = console.redaction.clean(values)
    said = ", ".join(f"{attribute} {value}" for attribute, value in cleaned.items())
    href = None
    if _is_own(console, "table", table) and cleaned == values:
        text = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
        href = _address("item", {"table": name, "item": text})
    return Link("row", f"{name} {said}"[:160], href, at)


def _to_topic(console: "Console", arn: str, at: int | None) -> Link:
    name = _last(arn)
    own = _is_own(console, "topic", arn)
    return Link("message", f"to the topic {name}", _part("topic", name) if own else None, at)


def _to_queue(console: "Console", url: str, topology: Topology | None, at: int | None) -> Link:
    name, href = _last(url), None
    if (queue := console.inventory.resource("queue", name)) and _is_own(console, "queue", url):
        known = topology.holds_dead_letters if topology else names_dead_letters
        href = (
            f"dead-letters?{urlencode({'queue': name})}" if known(queue) else _part("queue", name)
        )
    return Link("message", f"to the queue {name}", href, at)


def _part(kind: str, name: str) -> str:
    """A part of the stack on the page of its architecture."""
    return f"architecture?{urlencode({'part': f'{kind}/{name}'})}"


def _is_own(console: "Console", kind: str, named: str) -> bool:
    """Whether a name, an ARN or a queue's URL is that of a resource of the stack.

    A resource of another account or region may have the same name.
    """
    inventory = console.inventory
    if inventory.resource(kind, _last(named)) is None:
        return False
    if named.startswith("arn:"):
        return named.split(":")[3:5] == [console.aws.region, inventory.account]
    if named.startswith("http"):
        return named.split("/")[-2:-1] == [inventory.account]
    return True


def _address(page: str, query: dict[str, str]) -> str | None:
    address = f"{page}?{urlencode(query)}"
    return address if len(address) <= LONGEST_ADDRESS else None


# -- What it left behind --------------------------------------------------------------------------


def left_behind(
    console: "Console",
    history: History,
    run: str = "",
    topology: Topology | None = None,
    keys: TableKeys | None = None,
) -> list[Link]:
    """What a run's tasks made that lasts, in the order in which they made it.

    `run` is its name, for which its events are searched. Of an item that was put as a whole, only
    `keys` tell which of its attributes name it.
    """
    given = {(one.bucket, one.key) for one in objects(parsed(history.input))}
    found: dict[Link, None] = {}
    labels: set[str] = set()
    for attempt in _succeeded(history):
        made = _called(console, attempt, run, topology, keys or TableKeys())
        for link in (*made, *_result(console, attempt, given)):
            if link.label not in labels and len(found) < MOST:
                labels.add(link.label)
                found[link] = None
    return list(found)


def _succeeded(history: History) -> Iterator[Attempt]:
    for visit in history.visits:
        for attempt in visit.attempts:
            if attempt.status == "succeeded":
                yield attempt


def puts_items(history: History) -> bool:
    """Whether a run has put an item whose key only the table's description tells."""
    return any("dynamodb:putitem" in one.resource.lower() for one in _succeeded(history))


def _called(
    console: "Console", attempt: Attempt, run: str, topology: Topology | None, keys: TableKeys
) -> Iterator[Link]:
    """What a call of a service made, by its name and its parameters."""
    sent = _dictionary(attempt.parameters)
    resource = attempt.resource.lower()
    at = attempt.stopped_at
    if "dynamodb:" in resource and any(word in resource for word in ("put", "update")):
        table = str(sent.get("TableName", ""))
        key = sent.get("Key") or keys.of(_last(table), sent.get("Item"))
        yield _row(console, table, key, at)
    elif "sns:publish" in resource:
        yield _to_topic(console, str(sent.get("TopicArn", "")), at)
    elif "sqs:sendmessage" in resource:
        yield _to_queue(console, str(sent.get("QueueUrl", "")), topology, at)
    elif "ses" in resource and "send" in resource:
        yield Link("mail", "a mail", None, at)
    elif "scheduler:createschedule" in resource:
        yield Link("schedule", _last(sent.get("Name")), None, at)
    elif "s3:putobject" in resource and sent.get("Bucket"):
        made = ObjectRef(str(sent["Bucket"]), str(sent.get("Key", "")))
        yield _object(console, made, at)
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


def _result(console: "Console", attempt: Attempt, given: set[tuple[str, str]]) -> Iterator[Link]:
    """What a result says that was made: objects, a mail."""
    if not attempt.output or len(attempt.output) > 100_000:
        return
    result = parsed(attempt.output)
    for one in objects(result):
        if (one.bucket, one.key) not in given:
            yield _object(console, one, attempt.stopped_at)
    for text in strings(result):
        if text.endswith("@email.amazonses.com"):
            yield Link("mail", text.partition("@")[0], f"inbox/{text}", attempt.stopped_at)


class ObjectRef(NamedTuple):
    """An object that a value names."""

    bucket: str
    key: str
    version: str | None = None


def objects(value: Any) -> Iterator[ObjectRef]:
    """Objects that a value names: `{"bucket": …, "key": …}` in all spellings, `s3://…`."""
    if isinstance(value, str):
        if value.startswith("s3://") and value.count("/") >= 3:
            bucket, _, key = value[5:].partition("/")
            if key:
                yield ObjectRef(bucket, key)
        return
    if isinstance(value, list):
        for item in value[:1000]:
            yield from objects(item)
        return
    if not isinstance(value, dict):
        return
    fields = {_folded(key): one for key, one in value.items()}
    buckets = [_name(fields[name], "name") for name in _BUCKETS if name in fields]
    named = next((fields[name] for name in _KEYS if name in fields), None)
    name = _name(named, "key")
    if buckets and buckets[0] and name:
        yield ObjectRef(buckets[0], name, _version(named) or _version(value))
    else:
        for item in value.values():
            yield from objects(item)


def _name(value: Any, field: str) -> str | None:
    """A bucket or key, also as S3's events have it: `{"bucket": {"name": …}}`."""
    if isinstance(value, dict):
        value = value.get(field)
    return value if isinstance(value, str) and value else None


def _folded(name: Any) -> str:
    return str(name).lower().replace("_", "").replace("-", "")


def _version(value: Any) -> str | None:
    """The version of an object that a value names, as results and S3's events have it."""
    if not isinstance(value, dict):
        return None
    found = next((one for name, one in value.items() if _folded(name) == "versionid"), None)
    # An object from before its bucket had versions has the version "null".
    return found if isinstance(found, str) and found not in ("", "null") else None


def _dictionary(text: str | None) -> dict[str, Any]:
    value = parsed(text)
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _last(value: Any) -> str:
    return value.replace("/", ":").rpartition(":")[2] if isinstance(value, str) else ""
