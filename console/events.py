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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.routing import Route

from console import event_patterns
from console.aws import Aws, BadRequestError, NotFoundError
from console.core import Console
from console.event_catalogue import Catalogue, Sample
from console.event_patterns import Pattern
from console.links import Link
from console.polling import Event as Told
from console.runs import Run
from console.timeline import EVENTS
from console.topology import DEFAULT_BUS, Rule
from console.web import Server
from handlers.observability import timeline

BY_STATUS = "byStatus"
STATUSES = (
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "ABORTED",
    "PENDING_REDRIVE",
    "UNKNOWN",
    "NO_EXECUTION",
)
READ_AGAIN = 0.8  # seconds between reads of what is new
READ_FOR_A_PAGE = 2.0  # seconds after which a page's request reads itself; else the poller has
JOBS = 50  # jobs of each status that are read at once
SETTLING = 10.0  # seconds in which a job's late events are looked for after a change
OVERLAP = 60_000  # milliseconds before a job's newest event in which a late one is found
KEPT_BYTES = 64 * 1024 * 1024  # of details; older ones are read again when somebody asks
PREVIEW = 160  # characters of a detail in the list
LOOKED_THROUGH = 10_000  # characters of a detail of which the list shows a part
PAGE, MOST = 100, 500
MOST_PAGES = 10  # of old jobs that one request reads
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


@dataclass
class _Job:
    latest: str = ""  # of the newest event, by the log's index
    read_to: str = ""  # the newest event that was read
    settles: float = 0.0  # time.monotonic() until which late events are looked for
    started_by: str | None = None


@dataclass
class _Older:
    """How far down the index of a status has been read."""

    key: dict[str, Any] | None = None
    latest: str = ""
    ended: bool = False


class EventLog:
    """The events of a stack's log, newest first. May be used by several threads.

    The log orders events within a job (an execution with its events, or one event that belongs to
    none) and jobs by their newest event. So after the jobs down to a moment have been read, all
    events after that moment are known.
    """

    def __init__(self, aws: Aws, table: str) -> None:
        self.table = table
        self._aws = aws
        self._entries: dict[str, Entry] = {}  # by id
        self._jobs: dict[str, _Job] = {}
        self._started: dict[str, str] = {}  # id of an event → the job that it started
        self._older = {status: _Older() for status in STATUSES}
        self._size = 0
        self._forgotten_from = ""  # events before this moment are not kept
        self._read_at = float("-inf")
        self._untold: deque[Entry] = deque(maxlen=MOST)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    # -- Reading ----------------------------------------------------------------------------------

    def news(self) -> list[Entry]:
        """What is new since the last call, whoever has read it."""
        with self._lock:
            self.refresh(READ_AGAIN)
            found = list(self._untold)
            self._untold.clear()
            return found

    def refresh(self, older_than: float = READ_FOR_A_PAGE) -> None:
        """Read what is new, unless that was done in the last `older_than` seconds."""
        with self._lock:
            if time.monotonic() - self._read_at < older_than:
                return
            first = not self._jobs
            found: list[Entry] = []
            for status in STATUSES:
                found += self._read_newest(status)
            found += self._read_late()
            self._read_at = time.monotonic()
            self._forget()
            if not first:
                self._untold.extend(found)

    def _read_newest(self, status: str) -> list[Entry]:
        """The events of jobs with a new event: read until one that is known."""
        found: list[Entry] = []
        older = self._older[status]
        begun = older.latest != "" or older.ended
        key: dict[str, Any] | None = None
        while True:
            summaries, key = self._summaries(status, key)
            changed = [one for one in summaries if self._is_news(one)]
            for one in changed:
                found += self._read_job(one)
            if not begun:
                self._note_older(status, summaries, key)
            if not key or not begun or len(changed) < len(summaries):
                return found

    def _is_news(self, summary: Mapping[str, Any]) -> bool:
        job = self._jobs.get(summary["job"]["S"])
        return job is None or job.latest < summary["latest"]["S"]

    def _summaries(
        self, status: str, start: dict[str, Any] | None
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Jobs with a status, newest event first, and the key of the next page."""
        answer = self._aws.call(
            "dynamodb",
            "query",
            TableName=self.table,
            IndexName=BY_STATUS,
            KeyConditionExpression="#status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}},
            ScanIndexForward=False,
            Limit=JOBS,
            **({"ExclusiveStartKey": start} if start else {}),
        )
        return answer["Items"], answer.get("LastEvaluatedKey")

    def _note_older(
        self, status: str, summaries: list[dict[str, Any]], key: dict[str, Any] | None
    ) -> None:
        older = self._older[status]
        older.key, older.ended = key, key is None
        if summaries:
            older.latest = summaries[-1]["latest"]["S"]

    def _read_job(self, summary: Mapping[str, Any]) -> list[Entry]:
        """The new events of a job."""
        name = summary["job"]["S"]
        job = self._jobs.setdefault(name, _Job())
        job.latest = summary["latest"]["S"]
        job.settles = time.monotonic() + SETTLING
        found = self._read_entries(name, job)
        started_by = summary.get("startedBy", {}).get("S")
        if started_by and job.started_by is None:
            job.started_by = started_by
            self._started[started_by] = name
            found += self._read_entries(f"event:{started_by}", _Job())
        return found

    def _read_late(self) -> list[Entry]:
        """Events that came after newer ones of their job."""
        now = time.monotonic()
        return [
            entry
            for name, job in self._jobs.items()
            if job.settles > now and self._read_at > float("-inf")
            for entry in self._read_entries(name, job)
        ]

    def _read_entries(self, name: str, job: _Job) -> list[Entry]:
        after = _moment(_milliseconds(job.read_to) - OVERLAP) if job.read_to else ""
        found = []
        for item in self._aws.pages(
            "dynamodb",
            "query",
            "Items",
            TableName=self.table,
            KeyConditionExpression="job = :job AND entry BETWEEN :after AND :end",
            ExpressionAttributeValues={
                ":job": {"S": name},
                ":after": {"S": f"event#{after}"},
                ":end": {"S": "event#~"},
            },
        ):
            entry = Entry.of(item)
            job.read_to = max(job.read_to, entry.order)
            if entry.id not in self._entries and entry.order >= self._forgotten_from:
                self._entries[entry.id] = entry
                self._size += 500 + len(entry.detail)
                found.append(entry)
        return found

    def _read_older(self) -> bool:
        """Read one more page of old jobs. False if there are none."""
        open_ones = [status for status, older in self._older.items() if not older.ended]
        if not open_ones:
            return False
        status = max(open_ones, key=lambda one: self._older[one].latest)
        summaries, key = self._summaries(status, self._older[status].key)
        self._note_older(status, summaries, key)
        for summary in summaries:
            if self._is_news(summary):
                self._read_job(summary)
        return True

    def _forget(self) -> None:
        """Drop the oldest events if there are too many; the log still has them."""
        if self._size <= KEPT_BYTES:
            return
        for entry in sorted(self._entries.values(), key=_order):
            del self._entries[entry.id]
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
                floor = max(
                    (one.latest for one in self._older.values() if not one.ended), default=""
                )
                floor = max(floor, self._forgotten_from)
                # The log orders by whole seconds; the list is more precise within a second.
                known_from = _moment(_milliseconds(floor) + 1000) if floor else ""
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
                if len(found) > limit or self._forgotten_from or not self._read_older():
                    break
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
                open_ones = [one.latest for one in self._older.values() if not one.ended]
                if max(open_ones, default="") < moment or not self._read_older():
                    break
            else:
                return self._after(moment), False
            return self._after(moment), self._forgotten_from < moment

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
            self.refresh(READ_AGAIN)
            if identifier not in self._entries:
                self._read_entries(f"event:{identifier}", _Job())
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
        """A run's events, oldest first."""
        with self._lock:
            self.refresh()
            self._read_entries(run, self._jobs.get(run, _Job()))
            started_by = self._jobs[run].started_by if run in self._jobs else None
            return sorted(
                (
                    entry
                    for entry in self._entries.values()
                    if entry.job == run or entry.id == started_by
                ),
                key=_order,
            )


def preview(detail: str) -> str:
    """The beginning of a detail for the list: simple values, without ARNs."""
    if len(detail) > LOOKED_THROUGH:
        return ""
    fields = json.loads(detail)
    shown = [
        f"{name}: {value}"
        for name, value in fields.items()
        if isinstance(value, str | int | float)
        and not (isinstance(value, str) and (value.startswith("arn:") or value[:1] in ("{", "[")))
        and value not in ("", None)
    ]
    return ", ".join(shown)


def _order(entry: Entry) -> str:
    return entry.order


def _place(entry: Entry) -> str:
    return entry.place


def _milliseconds(order: str) -> int:
    """The time in a place in the log's order."""
    text = order.partition("#")[0]
    try:
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return 0


def _moment(at: int) -> str:
    """A time as the log's keys have it."""
    text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


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
            "preview": self.console.redaction.text(preview(entry.detail))[:PREVIEW],
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

    def on_timeline(self, console: Console, run: Run) -> list[dict[str, Any]]:
        """Rows of a run's timeline: its events by type, each a mark."""
        log = self.log()
        if log is None:
            return []
        by_kind: dict[tuple[str, str], list[Entry]] = {}
        for entry in log.of_run(run.id):
            if (entry.source, entry.type) != timeline.STATUS_CHANGE:
                by_kind.setdefault((entry.source, entry.type), []).append(entry)
        return [
            {
                "id": f"{EVENTS}/{source}/{kind}",
                "group": EVENTS,
                "label": kind,
                "node": None,
                "link": _link_to(entries, run).as_dict(),
                "bars": [],
                "marks": [{"at": one.at, "label": kind} for one in entries[:MOST]],
            }
            for (source, kind), entries in by_kind.items()
        ]

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
        answer = self.console.aws.call("events", "put_events", Entries=[entry])
        result = answer["Entries"][0]
        if answer.get("FailedEntryCount") or "EventId" not in result:
            code, message = result.get("ErrorCode"), result.get("ErrorMessage")
            raise BadRequestError(f"EventBridge refuses the event: {code}: {message}")
        self.server.poller.wake("")
        return str(result["EventId"])


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
    server.contributions.append(events.on_timeline)
    return [
        server.get("events", events.listed),
        server.get("events/samples", events.samples),
        server.get("events/{id}", events.read),
        server.get("events/{id}/rules/{rule}", events.explain),
        server.post("events", events.put),
        server.post("events/{id}/send", events.again),
    ]
