"""The events of a stack: its event log as it grows, which rules match an event, and sending one.

A stack that keeps a log of its events names the table in its output `EventLogTable`. Its items are
described in handlers/observability/event_record.py. Without it, rules and sending still work.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.routing import Route

from console import event_patterns
from console.aws import Aws, BadRequestError, ConsoleError, NotFoundError
from console.core import Console
from console.event_catalogue import Catalogue, Sample
from console.event_patterns import Pattern
from console.links import Link
from console.polling import Event as Told
from console.polling import now
from console.runs import Run
from console.timeline import EVENTS
from console.topology import DEFAULT_BUS, Rule
from console.web import Server
from handlers.observability import timeline

BY_RECORDING = "byRecording"
READ_FOR_A_PAGE = 2.0  # seconds after which a page's request reads itself; else the poller has
# Milliseconds before the newest event in which others may still appear in the index: those of
# functions whose clock is behind, whose request took long, or which the index has not got yet.
OVERLAP = 10_000
CLOCKS = 300_000  # milliseconds; AWS refuses requests of a client whose clock is further off
KEYS = 100  # of a page of old events; also the most that BatchGetItem reads
HOURS_AT_ONCE = 24  # in which old events are looked for at the same time
SILENCE = 31 * 24  # hours; older events of a log that has no newer ones are not looked for
HOUR = 3_600_000
HOUR_LENGTH = len("2026-01-31T12")
KEPT_BYTES = 64 * 1024 * 1024  # of details; older ones are read again when somebody asks
PREVIEW = 160  # characters of a detail in the list
LISTED = 5  # items of a list that the preview shows
LOOKED_THROUGH = 10_000  # characters of a detail of which the list shows a part
PAGE, MOST = 100, 500
MOST_PAGES = 50  # of old events that one request for traffic reads
LARGEST_EVENT = 1_048_576  # bytes, PutEvents


@dataclass(frozen=True)
class Entry:
    """An event of the log."""

    id: str
    job: str
    order: str  # its time and id: how the log orders events
    at: int
    source: str
    type: str
    detail: str  # JSON text, without secrets
    execution: str | None
    truncated: bool
    started_by: str | None  # id of the event that started the execution whose change this is
    recorded: str  # its place in the order of recording

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Entry":
        event = timeline.Event(
            item["eventId"]["S"],
            item["job"]["S"],
            item["source"]["S"],
            item["detailType"]["S"],
            int(item["time"]["N"]),
            {},
            int(item["received"]["N"]) if "received" in item else None,
        )
        return cls(
            event.id,
            event.job,
            item["entry"]["S"].partition("#")[2],
            event.at,
            event.source,
            event.detail_type,
            item["detail"]["S"],
            item["execution"]["S"] if "execution" in item else None,
            "truncated" in item,
            item["startedBy"]["S"] if "startedBy" in item else None,
            item["recordedAt"]["S"],
        )

    @property
    def place(self) -> str:
        """Its place in the list: by the best estimate of its time."""
        return f"{_moment(self.at)}#{self.id}"

    @property
    def secrets_hidden(self) -> bool:
        """Whether something of the detail was removed before it was stored."""
        return bool(_REMOVED.search(self.detail))


# What the event log has instead of a secret or a value that was too large.
_REMOVED = re.compile(
    rf'"(?:{re.escape(timeline.REMOVED)}|{timeline.STORED_TOKEN.pattern}'
    rf"|{timeline.LEFT_OUT.pattern})\""
)


class EventLog:
    """The events of a stack's log, newest first. May be used by several threads.

    An index has the events in the order in which they were recorded: new ones are after the newest
    that was read, however late they are. An event is recorded after it has happened. So after the
    index has been read down to a moment, all events after that moment are known.
    """

    def __init__(self, aws: Aws, table: str) -> None:
        self.table = table
        self._aws = aws
        self._entries: dict[str, Entry] = {}  # by id
        self._started: dict[str, str] = {}  # id of an event → the job that it started
        self._size = 0
        self._forgotten_from = ""  # events before this moment are not kept
        self._newest = ""  # in the order of recording
        self._read_down_to = ""  # in the order of recording; "" before the first read
        self._begin: str | None = None  # the log has nothing that was recorded before
        self._lifetime: int | None = None  # how long the log keeps an event, in milliseconds
        self._read_at = 0  # milliseconds since 1970, by this machine's clock
        self._refreshed = float("-inf")
        self._untold: deque[Entry] = deque(maxlen=MOST)
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="console-events")

    def __len__(self) -> int:
        return len(self._entries)

    # -- Reading ----------------------------------------------------------------------------------

    def news(self) -> list[Entry]:
        """What is new since the last call, whoever has read it."""
        with self._lock:
            self.refresh(0)
            found = list(self._untold)
            self._untold.clear()
            return found

    def refresh(self, older_than: float = READ_FOR_A_PAGE) -> None:
        """Read what is new, unless that was done in the last `older_than` seconds."""
        with self._lock:
            if time.monotonic() - self._refreshed < older_than:
                return
            self._refreshed = float("-inf")  # if this fails, whoever asks next reads at once
            if self._read_down_to:
                self._untold.extend(self._read_newer())
            else:
                self._read_at = now()
                self._read_down_to = _moment(self._read_at + CLOCKS)
                self._read_older()
            self._refreshed = time.monotonic()

    def _read_newer(self) -> list[Entry]:
        """The events that were recorded since the last read."""
        at = now()
        first = min(_hour(self._read_at - CLOCKS), _hour(at))
        after = _moment(_milliseconds(self._newest) - OVERLAP) if self._newest else first
        keys: list[dict[str, Any]] = []
        for hour in _hours(first, _hour(at + CLOCKS)):
            start: dict[str, Any] | None = {}
            while start is not None:
                found, start = self._keys(hour, "recordedAt > :at", after, start=start)
                keys += found
        self._read_at = at
        return self._read(keys)

    def _read_older(self) -> bool:
        """Read older events, at least one if there are any. False if there are none."""
        at_once = 1
        while hours := self._older_hours(at_once):
            read = partial(self._old_keys, self._read_down_to)
            for hour, (keys, more) in zip(hours, self._pool.map(read, hours), strict=True):
                if keys:
                    self._read_down_to = keys[-1]["recordedAt"]["S"] if more else hour
                    self._read(keys)
                    return True
                self._read_down_to = hour
            at_once = min(4 * at_once, HOURS_AT_ONCE)
        return False

    def _older_hours(self, most: int) -> list[str]:
        """The next hours to look for old events in, latest first."""
        latest = _milliseconds(self._read_down_to)
        if len(self._read_down_to) == HOUR_LENGTH:  # the hour has been read, not only a part of it
            latest -= HOUR
        hours = (_hour(latest - number * HOUR) for number in range(most))
        begin = self._begin_of_log()
        return [hour for hour in hours if hour >= begin]

    @property
    def _is_read(self) -> bool:
        """Whether all events have been read."""
        return self._read_down_to != "" and not self._older_hours(1)

    def _begin_of_log(self) -> str:
        """The hour before which the log has nothing."""
        if self._begin is None:
            self._begin = ""
            with suppress(ConsoleError):  # it only saves time
                table = self._aws.call("dynamodb", "describe_table", TableName=self.table)["Table"]
                self._begin = _hour(round(table["CreationDateTime"].timestamp() * 1000))
        kept = SILENCE * HOUR if self._lifetime is None else self._lifetime
        return max(self._begin, _hour(now() - kept))

    def _old_keys(self, before: str, hour: str) -> tuple[list[dict[str, Any]], bool]:
        """Keys of an hour, the last recorded first, and whether there are more."""
        found, more = self._keys(hour, "recordedAt < :at", before, Limit=KEYS, forward=False)
        return found, more is not None

    def _keys(
        self,
        hour: str,
        condition: str,
        at: str,
        start: dict[str, Any] | None = None,
        forward: bool = True,
        **more: Any,
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """A page of the index, and the key of the next one."""
        answer = self._aws.call(
            "dynamodb",
            "query",
            TableName=self.table,
            IndexName=BY_RECORDING,
            KeyConditionExpression=f"recordedHour = :hour AND {condition}",
            ExpressionAttributeValues={":hour": {"S": hour}, ":at": {"S": at}},
            ScanIndexForward=forward,
            **({"ExclusiveStartKey": start} if start else {}),
            **more,
        )
        return answer["Items"], answer.get("LastEvaluatedKey")

    def _read(self, keys: list[dict[str, Any]]) -> list[Entry]:
        """The new ones of the events with these keys of the index."""
        if keys:
            self._newest = max(self._newest, *(key["recordedAt"]["S"] for key in keys))
        unknown = {
            key["entry"]["S"].rpartition("#")[2]: {name: key[name] for name in ("job", "entry")}
            for key in keys
            if key["entry"]["S"].partition("#")[2] >= self._forgotten_from
        }
        wanted = [key for identifier, key in unknown.items() if identifier not in self._entries]
        found: list[Entry] = []
        while wanted:
            answer = self._aws.call(
                "dynamodb",
                "batch_get_item",
                # The index may know an event before each copy of the table does.
                RequestItems={self.table: {"Keys": wanted[:KEYS], "ConsistentRead": True}},
            )
            found += self._keep(answer["Responses"].get(self.table, []))
            left = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
            wanted = left + wanted[KEYS:]  # one response has at most 16 MB
        self._forget()
        return found

    def _keep(self, items: Iterable[dict[str, Any]]) -> list[Entry]:
        """Keep events. Returns those that are new, and those now known to have started a run."""
        found: list[Entry] = []
        for item in items:
            entry = Entry.of(item)
            self._lifetime = int(item["expiration"]["N"]) * 1000 - int(item["received"]["N"])
            if entry.id in self._entries or entry.order < self._forgotten_from:
                continue
            self._entries[entry.id] = entry
            self._size += 500 + len(entry.detail)
            found.append(entry)
            if entry.started_by and entry.started_by not in self._started:
                self._started[entry.started_by] = entry.job
                if entry.started_by in self._entries:
                    found.append(self._entries[entry.started_by])
        return found

    def _of_job(self, job: str) -> list[Entry]:
        """The events of a job, oldest first, kept or not."""
        items = list(
            self._aws.pages(
                "dynamodb",
                "query",
                "Items",
                TableName=self.table,
                KeyConditionExpression="job = :job AND begins_with(entry, :event)",
                ExpressionAttributeValues={":job": {"S": job}, ":event": {"S": "event#"}},
            )
        )
        with self._lock:
            self._keep(items)
            self._forget()
        return [Entry.of(item) for item in items]

    def _forget(self) -> None:
        """Drop the oldest events if there are too many; the log still has them."""
        if self._size <= KEPT_BYTES:
            return
        for entry in sorted(self._entries.values(), key=_order):
            del self._entries[entry.id]
            self._started.pop(entry.id, None)
            self._size -= 500 + len(entry.detail)
            self._forgotten_from = max(self._forgotten_from, entry.order)
            if self._size <= KEPT_BYTES * 3 // 4:
                return

    # -- The list ---------------------------------------------------------------------------------

    def page(
        self, text: str, source: str, kind: str, before: str, limit: int
    ) -> tuple[list[Entry], str | None]:
        """Events, newest first, that match, and the cursor of the next page."""
        with self._lock:
            self.refresh()
            while True:
                floor = "" if self._is_read else self._read_down_to
                # Clocks differ, and the estimate of an event's time may be after its recording.
                known_from = _moment(_milliseconds(floor) + OVERLAP) if floor else ""
                if self._forgotten_from:
                    # The log orders by whole seconds; the list is more precise within a second.
                    kept_from = _moment(_milliseconds(self._forgotten_from) + 1000)
                    known_from = max(known_from, kept_from)
                found = sorted(
                    (
                        entry
                        for entry in self._entries.values()
                        if entry.place >= known_from
                        and (not before or entry.place < before)
                        and (not source or entry.source == source)
                        and (not kind or entry.type == kind)
                        and (not text or self._matches(entry, text))
                    ),
                    key=_place,
                    reverse=True,
                )
                if len(found) > limit or self._forgotten_from or self._is_read:
                    break
                self._read_older()
            return found[:limit], found[limit - 1].place if len(found) > limit else None

    def _matches(self, entry: Entry, text: str) -> bool:
        said = f"{entry.source} {entry.type} {entry.job} {entry.id} {entry.detail}".lower()
        return all(word in said for word in text.lower().split())

    def since(self, at: int) -> tuple[list[Entry], bool]:
        """Events after a moment, and whether these are all."""
        moment = _moment(at)
        with self._lock:
            self.refresh()
            for _ in range(MOST_PAGES):
                if self._read_down_to < moment or not self._read_older():
                    return self._after(moment), self._forgotten_from < moment
            return self._after(moment), False

    def _after(self, moment: str) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.order >= moment]

    def kinds(self) -> list[dict[str, str]]:
        """Sources and types that occur."""
        with self._lock:
            kinds = sorted({(entry.source, entry.type) for entry in self._entries.values()})
        return [{"source": source, "type": kind} for source, kind in kinds]

    def newest_of_each_kind(self) -> list[Entry]:
        newest: dict[tuple[str, str], Entry] = {}
        with self._lock:
            for entry in sorted(self._entries.values(), key=_order):
                newest[entry.source, entry.type] = entry
        return list(newest.values())

    def get(self, identifier: str) -> Entry:
        """The event with this id. Raises NotFoundError."""
        with self._lock:
            if identifier in self._entries:
                return self._entries[identifier]
            self.refresh(0)
            if identifier in self._entries:
                return self._entries[identifier]
            for entry in self._of_job(f"event:{identifier}"):
                return entry
            while identifier not in self._entries:
                if self._forgotten_from or not self._read_older():
                    raise NotFoundError(
                        "There is no such event in the event log. It keeps events for a while only."
                    )
            return self._entries[identifier]

    def run_of(self, entry: Entry) -> str | None:
        """The id of the run that an event belongs to, or that it started."""
        job = self._started.get(entry.id, entry.job)
        return None if job.startswith("event:") else job

    def of_run(self, run: str) -> list[Entry]:
        """A run's events and the one that started it, oldest first."""
        entries = self._of_job(run)
        started_by = {entry.started_by for entry in entries if entry.started_by}
        return [
            *(entry for one in sorted(started_by) for entry in self._of_job(f"event:{one}")),
            *entries,
        ]


def starting(entries: Iterable[Entry], run: str) -> Entry | None:
    """Of a run's events, the one that started it, if the log knows it."""
    for entry in entries:
        # It is kept by itself, or with the run if it has given the run its name.
        if entry.job != run or entry.id == run.partition(":")[2]:
            return entry
    return None


# -- What the list shows of a detail --------------------------------------------------------------

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SAYS_LITTLE = re.compile(
    rf"arn:.*|({_UUID.pattern}_?)+|[0-9a-f]{{16,}}|{timeline.STORED_TOKEN.pattern}"
    rf"|{re.escape(timeline.REMOVED)}|{timeline.LEFT_OUT.pattern}|[{{\[].*",
    re.IGNORECASE | re.DOTALL,
)
# Fields that say what an event is about come first, whatever the order in the detail.
_TELLING = ("status", "state", "error", "cause", "reason", "message", "title", "subject", "name")


def preview(entry: Entry) -> str:
    """The detail for the list, in a few words: what a person can tell events apart by."""
    if len(entry.detail) > LOOKED_THROUGH:
        return ""
    fields = json.loads(entry.detail)
    if (entry.source, entry.type) == timeline.STATUS_CHANGE:
        machine = str(fields.get("stateMachineArn", "")).rpartition(":")[2]
        said = (machine, fields.get("name"), fields.get("status"), fields.get("error"))
        return " · ".join(str(one) for one in said if one)
    return ", ".join(f"{name}: {text}" for name, text in sorted(_telling(fields), key=_rank))


def _telling(fields: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """The fields that say something, with those of objects in the detail."""
    for name, value in fields.items():
        if isinstance(value, dict) and not within:
            yield from _telling(value, f"{name}.")
        elif isinstance(value, list):
            words = [str(one) for one in value[:LISTED] if isinstance(one, str | int | float)]
            if words and len(words) == len(value[:LISTED]):
                yield within + name, ", ".join(words) + (" …" if len(value) > LISTED else "")
            elif value:
                yield within + name, f"{len(value)} items" if len(value) > 1 else "1 item"
        elif isinstance(value, bool | int | float):
            yield within + name, json.dumps(value)
        elif isinstance(value, str) and value and not _SAYS_LITTLE.fullmatch(value):
            yield within + name, value


def _rank(field: tuple[str, str]) -> int:
    last = field[0].rpartition(".")[2].lower()
    return _TELLING.index(last) if last in _TELLING else len(_TELLING)


def _order(entry: Entry) -> str:
    return entry.order


def _place(entry: Entry) -> str:
    return entry.place


def _milliseconds(order: str) -> int:
    """The time in a place in the log's order, or the begin of an hour."""
    text = order.partition("#")[0]
    if len(text) == HOUR_LENGTH:
        text += ":00:00.000Z"
    try:
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return 0


def _moment(at: int) -> str:
    """A time as the log's keys have it."""
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _hour(at: int) -> str:
    """The hour of a time, as the log's index has it."""
    return _moment(at)[:HOUR_LENGTH]


def _hours(first: str, last: str) -> list[str]:
    count = (_milliseconds(last) - _milliseconds(first)) // HOUR
    return [_hour(_milliseconds(first) + number * HOUR) for number in range(count + 1)]


# -- The page's requests --------------------------------------------------------------------------


@dataclass
class Events:
    """The page of events."""

    server: Server
    catalogue: Catalogue

    @property
    def console(self) -> Console:
        return self.server.console

    def log(self) -> EventLog | None:
        """The stack's event log, if it has one."""
        return self.console.event_log()

    def _needed_log(self) -> EventLog:
        log = self.log()
        if log is None:
            raise NotFoundError(
                f"The stack {self.console.stack} has no event log.",
                "A stack with one names its table in the output EventLogTable.",
            )
        return log

    # -- For the poller ---------------------------------------------------------------------------

    def count(self) -> dict[str, int | None]:
        log = self.console.known_event_log
        return {"events": None if log is None else len(log)}

    def news(self) -> Iterator[Told]:
        log = self.log()
        if log is not None and (found := log.news()):
            newest = sorted(found, key=_place)[-MOST:]
            yield "events", {"events": [self.shown(log, entry) for entry in newest]}

    # -- Reading ----------------------------------------------------------------------------------

    def shown(self, log: EventLog, entry: Entry) -> dict[str, Any]:
        """An event in the list."""
        run = log.run_of(entry)
        runs = self.console.known_runs
        known = runs.by_id.get(run) if runs is not None and run else None
        return {
            "id": entry.id,
            "at": entry.at,
            "order": entry.place,
            "source": entry.source,
            "type": entry.type,
            "preview": self.console.redaction.text(preview(entry))[:PREVIEW],
            "run": run,
            "runTitle": f"{known.title} · {known.label or known.name}" if known else None,
            "secretsHidden": entry.secrets_hidden,
        }

    def listed(self, console: Console, request: Request) -> dict[str, Any]:
        query = request.query_params
        log = self._needed_log()
        limit = query.get("limit", "")
        found, following = log.page(
            query.get("text", ""),
            query.get("source", ""),
            query.get("type", ""),
            query.get("before", ""),
            min(int(limit), MOST) if limit.isdecimal() and int(limit) else PAGE,
        )
        return {
            "events": [self.shown(log, entry) for entry in found],
            "next": following,
            "kinds": log.kinds(),
        }

    def read(self, console: Console, request: Request) -> dict[str, Any]:
        """One event, and which rules of the stack match it."""
        log = self._needed_log()
        entry = log.get(request.path_params["id"])
        event = self._envelope(entry)
        rules = [self._judged(rule, event) for rule in console.rules()]
        rules.sort(key=lambda rule: (rule["matched"] is not True, rule["bus"], rule["title"]))
        buses = {rule["bus"] for rule in rules if rule["matched"]}
        entry_catalogued = self.catalogue.find(entry.source, entry.type)
        return {
            "event": self.shown(log, entry)
            | {
                "detail": event["detail"],
                "truncated": entry.truncated,
                "description": entry_catalogued.description if entry_catalogued else None,
                # EventBridge does not tell a target which bus an event was on.
                "buses": sorted(buses),
                "resend": self._why_not_again(entry),
            },
            "rules": rules,
        }

    def _judged(self, rule: Rule, event: dict[str, Any]) -> dict[str, Any]:
        """A rule, and whether EventBridge says that it matches."""
        judged = {
            "name": rule.name,
            "title": rule.title,
            "bus": rule.bus,
            "enabled": rule.enabled,
            "pattern": json.loads(rule.pattern) if rule.pattern else None,
            "targets": [self._target(target["Arn"]).as_dict() for target in rule.targets],
            "matched": None,
            "problem": None,
        }
        if rule.pattern is not None:
            try:
                judged["matched"] = self._test(json.loads(rule.pattern), event)
            except BadRequestError as error:
                judged["problem"] = error.message
        return judged

    def _target(self, arn: str) -> Link:
        service = arn.split(":")[2] if arn.count(":") > 2 else ""
        name = re.split(r"[:/]", arn)[-1]
        kind = {"lambda": "function", "states": "machine", "sqs": "queue", "sns": "topic"}.get(
            service, service
        )
        machine = self.console.inventory.machine(name)
        label = machine.title if machine else self.console.inventory.title(kind, name)
        return Link(kind, label, f"runs?workflow={name}" if machine else None)

    def _envelope(self, entry: Entry) -> dict[str, Any]:
        """The event as EventBridge delivers it, as far as the log has it."""
        at = datetime.fromtimestamp(_milliseconds(entry.order) / 1000, UTC)
        return {
            "version": "0",
            "id": entry.id,
            "detail-type": entry.type,
            "source": entry.source,
            "account": self.console.inventory.account,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.console.aws.region,
            "resources": [entry.execution]
            if entry.execution and (entry.source, entry.type) == timeline.STATUS_CHANGE
            else [],
            "detail": json.loads(entry.detail),
        }

    def _test(self, pattern: Pattern, event: dict[str, Any]) -> bool:
        """EventBridge's own verdict."""
        answer = self.console.aws.call(
            "events",
            "test_event_pattern",
            EventPattern=json.dumps(pattern),
            Event=json.dumps(event),
        )
        return bool(answer["Result"])

    def explain(self, console: Console, request: Request) -> dict[str, Any]:
        """Why a rule matches an event or not, field by field."""
        entry = self._needed_log().get(request.path_params["id"])
        name, bus = request.path_params["rule"], request.query_params.get("bus")
        rule = next(
            (one for one in console.rules() if one.name == name and bus in (None, one.bus)), None
        )
        if rule is None or rule.pattern is None:
            raise NotFoundError(f"The stack has no rule {name} with a pattern.")
        event = self._envelope(entry)
        return event_patterns.explain(
            json.loads(rule.pattern), event, lambda pattern: self._test(pattern, event)
        ) | {"secretsHidden": entry.secrets_hidden}

    # -- Sending ----------------------------------------------------------------------------------

    def buses(self) -> list[str]:
        """Names of the buses that the stack has or whose events its rules receive."""
        own = {bus.name for bus in self.console.inventory.of_kind("bus")}
        return sorted(own | {rule.bus for rule in self.console.rules()} | {DEFAULT_BUS})

    def samples(self, console: Console, request: Request) -> dict[str, Any]:
        """What one may send: kinds of events from the catalogue, and those that were seen."""
        log = self.log()
        seen: Iterable[Entry] = []
        if log is not None:
            log.refresh()
            seen = log.newest_of_each_kind()
        found = {
            (sample.source, sample.type): sample
            for sample in self.catalogue.samples(self._bus_named)
        }
        for entry in seen:
            kind = (entry.source, entry.type)
            if entry.source.startswith("aws.") or entry.secrets_hidden or entry.truncated:
                continue
            if kind not in found or not found[kind].own:
                known = found.get(kind)
                found[kind] = Sample(
                    *kind,
                    known.bus if known else self._bus_of(entry),
                    known.description if known else None,
                    known.schema if known else None,
                    json.loads(entry.detail),
                    True,
                )
        return {
            "samples": [sample.as_dict() for _, sample in sorted(found.items())],
            "buses": self.buses(),
            "catalogue": self.catalogue.path is not None,
        }

    def _bus_named(self, name: str) -> str:
        """A bus of the stack by its logical id; the default bus if there is none."""
        for bus in self.console.inventory.of_kind("bus"):
            if name in (bus.logical_id, bus.name):
                return bus.name
        return DEFAULT_BUS

    def _bus_of(self, entry: Entry) -> str:
        """The bus on which a rule matches an event of this kind."""
        event = self._envelope(entry)
        for rule in self.console.rules():
            if rule.pattern and self._judged(rule, event)["matched"]:
                return rule.bus
        return DEFAULT_BUS

    def put(self, console: Console, request: Request) -> dict[str, Any]:
        """Put an event on a bus, after a check against its schema if the catalogue has one."""
        body = request.state.body
        bus, source, kind = (body.get(name) for name in ("bus", "source", "type"))
        for name, text in (("bus", bus), ("source", source), ("type", kind)):
            if not isinstance(text, str) or not text.strip():
                raise BadRequestError(f"The event needs a {name}.")
        detail = body.get("detail")
        if not isinstance(detail, dict):
            raise BadRequestError("An event's detail is a JSON object.")
        if console.redaction.is_redacted(json.dumps(detail, ensure_ascii=False)):
            raise BadRequestError("The detail has a place where a secret is hidden. Replace it.")
        if body.get("unchecked") is not True:
            problems = self.catalogue.problems(str(source), str(kind), detail)
            if problems:
                raise BadRequestError(f"The detail breaks its schema: {'; '.join(problems)}")
        return {"id": self._put(str(bus), str(source), str(kind), detail)}

    def again(self, console: Console, request: Request) -> dict[str, Any]:
        """Put an event of the log on a bus again, as a new event."""
        entry = self._needed_log().get(request.path_params["id"])
        reason = self._why_not_again(entry)
        if reason is not None:
            raise BadRequestError(reason)
        bus = request.state.body.get("bus")
        if bus is None:
            bus = self._bus_of(entry)
        return {"id": self._put(str(bus), entry.source, entry.type, json.loads(entry.detail))}

    def _why_not_again(self, entry: Entry) -> str | None:
        """Why an event cannot be sent again as it is."""
        if entry.source.startswith("aws."):
            return "Only AWS sends events whose source begins with aws."
        if entry.truncated:
            return "The event log has left out values of this event that were too large."
        if entry.secrets_hidden:
            return "The event log has removed secrets from this event: it cannot be sent as it was."
        return None

    def _put(self, bus: str, source: str, kind: str, detail: dict[str, Any]) -> str:
        if bus not in self.buses():
            raise BadRequestError(f"{bus} is no bus of the stack {self.console.stack}.")
        text = json.dumps(detail, ensure_ascii=False)
        if len(text.encode()) > LARGEST_EVENT:
            raise BadRequestError(f"The detail is larger than {LARGEST_EVENT} bytes.")
        entry = {"EventBusName": bus, "Source": source, "DetailType": kind, "Detail": text}
        answer = self.console.aws.change(
            "events",
            "put_events",
            "Look for the event on this page before you send it again: each request puts an event.",
            repeatable=False,
            Entries=[entry],
        )
        result = answer["Entries"][0]
        if answer.get("FailedEntryCount") or "EventId" not in result:
            code, message = result.get("ErrorCode"), result.get("ErrorMessage")
            raise BadRequestError(f"EventBridge refuses the event: {code}: {message}")
        self.server.poller.wake("")
        return str(result["EventId"])


def on_timeline(entries: Iterable[Entry], run: Run) -> list[dict[str, Any]]:
    """Rows of a run's timeline: its events by type, each a mark."""
    by_kind: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if (entry.source, entry.type) != timeline.STATUS_CHANGE:
            by_kind.setdefault((entry.source, entry.type), []).append(entry)
    return [
        {
            "id": f"{EVENTS}/{source}/{kind}",
            "group": EVENTS,
            "label": kind,
            "node": None,
            "link": _link_to(of_kind, run).as_dict(),
            "bars": [],
            "marks": [{"at": one.at, "label": kind} for one in of_kind[:MOST]],
        }
        for (source, kind), of_kind in by_kind.items()
    ]


def _link_to(entries: list[Entry], run: Run) -> Link:
    """To one event, or to the list of several."""
    first = entries[0]
    several = urlencode({"text": run.name, "source": first.source, "type": first.type})
    href = f"events?{several}" if len(entries) > 1 else f"events/{first.id}"
    return Link("event", first.type, href, first.at)


def routes(server: Server) -> list[Route]:
    events = Events(server, Catalogue.read(server.console.catalogue))
    server.poller.counters.append(events.count)
    server.poller.readers.append(events.news)
    return [
        server.get("events", events.listed),
        server.get("events/samples", events.samples),
        server.get("events/{id}", events.read),
        server.get("events/{id}/rules/{rule}", events.explain),
        server.post("events", events.put),
        server.post("events/{id}/send", events.again),
    ]
