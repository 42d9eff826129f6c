"""The items of the event log: how events and summaries of jobs are stored.

The table (stack output `EventLogTable`) has the partition key `job` and the sort key `entry`.

| entry | item |
| --- | --- |
| `event#<time>#<event id>` | an event; ordered by its own time, and a duplicate is the same item |
| `summary` | what the list of jobs shows of this one |

`job` is `<machine name>:<execution name>`, or `event:<event id>` for an event that names no
execution. Times in keys and in `latest` are ISO 8601 with milliseconds, so that their order as text
is their order in time.

An event: `job`, `entry`, `eventId`, `source`, `detailType`, `detail` (JSON text, without secrets),
`time` and `received` (N, milliseconds since 1970; received is when the queue got it), `execution`
(its ARN, if it names one), `startedBy` (of a change of status: the id of the event that started the
execution), `truncated` (BOOL, if some of the detail was too large to store), `expiration` (N,
seconds since 1970), `recordedHour` and `recordedAt` (when it was stored).

A summary: `job`, `entry`, `workflow` and `execution` (if the job is an execution), `status`,
`latest` (`<time>#<event id>` of the newest event), `latestType` (its detail-type), `startedAt` and
`stoppedAt` (N, milliseconds), `error`, `startedBy` (id of the event that started it), `expiration`;
`statusRank` orders changes of status. The event that started an execution is in the job
`event:<event id>`, whose summary has no `status`, but `started`: the execution's job.

The index `byStatus` has the summaries: partition key `status`, sort key `latest`. The statuses are
those of Step Functions, `UNKNOWN` (an execution of which no status change was observed) and
`NO_EXECUTION` (an event that belongs to none).

The index `byRecording` has the keys of the events in the order in which they were stored: partition
key `recordedHour` (`2026-01-31T12`), sort key `recordedAt` (`<time>#<event id>`). Events that are
recorded late are at its end, whatever their own time is.

The item with the job `key` is the stage's key for the hashes of tokens.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.observability.catalogue import CATALOGUE
from handlers.observability.redaction import without_secrets
from handlers.observability.timeline import (
    STATUS_CHANGE,
    TERMINAL,
    Event,
    job_of_event,
    job_of_execution,
    status_rank,
)
from handlers.shared.clock import from_iso, iso, milliseconds
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import ReceivedEvent, field
from handlers.shared.text import replace_surrogates

SUMMARY = "summary"
EVENT_PREFIX = "event#"
NO_EXECUTION = "NO_EXECUTION"
# DynamoDB stores items of at most 400 KB. The detail is ASCII, so this is its size in bytes.
MAX_DETAIL = 350_000

_EXECUTION = re.compile(r"arn:[^:\s]+:states:[^:\s]+:[0-9]{12}:execution:[^:\s]+:[^:\s]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STARTED_BY_EVENTS = frozenset(entry.starts for entry in CATALOGUE if entry.starts)


@dataclass(frozen=True)
class StatusChange:
    """What an execution's change of status says; times in milliseconds since 1970."""

    status: str
    rank: str
    started_at: int | None
    stopped_at: int | None
    error: str | None
    started_by: str | None


@dataclass(frozen=True)
class EventRecord:
    """An event to store, and what it says about its execution."""

    event: Event
    execution: str | None = None
    workflow: str | None = None
    change: StatusChange | None = None

    @property
    def entry(self) -> str:
        return f"{EVENT_PREFIX}{self.moment}"

    @property
    def moment(self) -> str:
        """The event's time and id, which order the events of a job."""
        return f"{iso_time(self.event.time)}#{self.event.id}"


def event_record(
    envelope: Mapping[str, Any], *, machine_prefix: str, received: int, hashed: Callable[[str], str]
) -> EventRecord:
    """The record of an event as EventBridge delivers it.

    `machine_prefix` is the start of the names of this stage's machines. `hashed` makes the hash of
    a task token. Raises InvalidEventError if the event lacks id, time, source, detail-type or
    detail.
    """
    detail = ReceivedEvent(envelope).detail
    event_id = _utf8(field(envelope, "id"))
    event_type = _utf8(field(envelope, "source")), _utf8(field(envelope, "detail-type"))
    execution = _execution(event_type, detail)
    stored, truncated = _stored(detail, hashed)
    event = Event(
        id=event_id,
        job=job_of_execution(execution) if execution else job_of_event(event_id),
        source=event_type[0],
        detail_type=event_type[1],
        time=_own_time(event_type, detail) or _envelope_time(envelope),
        detail=stored,
        received=received,
        truncated=truncated,
    )
    if execution is None:
        return EventRecord(event)
    workflow = event.job.partition(":")[0].removeprefix(machine_prefix)
    change = _status_change(event, detail, workflow) if event_type == STATUS_CHANGE else None
    return EventRecord(event, execution, workflow, change)


def item_of(record: EventRecord, *, expiration: int, recorded: int) -> dict[str, Any]:
    """The DynamoDB item of an event; `recorded` is when it is stored, in milliseconds."""
    event = record.event
    recorded_at = iso_time(recorded)
    item: dict[str, Any] = {
        "job": {"S": event.job},
        "entry": {"S": record.entry},
        "eventId": {"S": event.id},
        "source": {"S": event.source},
        "detailType": {"S": event.detail_type},
        "detail": {"S": _json(event.detail)},
        "time": {"N": str(event.time)},
        "received": {"N": str(event.received)},
        "expiration": {"N": str(expiration)},
        "recordedHour": {"S": recorded_at[: len("2026-01-31T12")]},
        "recordedAt": {"S": f"{recorded_at}#{event.id}"},
    }
    if record.execution:
        item["execution"] = {"S": record.execution}
    if record.change and record.change.started_by:
        item["startedBy"] = {"S": record.change.started_by}
    if event.truncated:
        item["truncated"] = {"BOOL": True}
    return item


def event_of(item: Mapping[str, Any]) -> Event:
    """The event of a DynamoDB item."""
    return Event(
        id=item["eventId"]["S"],
        job=item["job"]["S"],
        source=item["source"]["S"],
        detail_type=item["detailType"]["S"],
        time=int(item["time"]["N"]),
        detail=json.loads(item["detail"]["S"]),
        received=int(item["received"]["N"]),
        truncated="truncated" in item,
    )


def iso_time(milliseconds_since_1970: int) -> str:
    """A time in the form of the keys, which has a fixed width."""
    return iso(milliseconds_since_1970 / 1000, "milliseconds")


def _execution(event_type: tuple[str, str], detail: Mapping[str, Any]) -> str | None:
    named = detail.get("executionArn" if event_type == STATUS_CHANGE else "execution")
    return named if isinstance(named, str) and _EXECUTION.fullmatch(named) else None


def _own_time(event_type: tuple[str, str], detail: Mapping[str, Any]) -> int | None:
    """When a status changed, in milliseconds: the event's envelope has whole seconds only."""
    if event_type != STATUS_CHANGE:
        return None
    names = ("stopDate",) if detail.get("status") in TERMINAL else ("redriveDate", "startDate")
    times = (_time(detail.get(name)) for name in names)
    return next((time for time in times if time is not None), None)


def _time(value: Any) -> int | None:
    """A time of Step Functions: milliseconds since 1970, in a year of four digits."""
    is_time = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 253402300800000
    return value if is_time else None


def _envelope_time(envelope: Mapping[str, Any]) -> int:
    try:
        return milliseconds(from_iso(field(envelope, "time")).timestamp())
    except (ValueError, OverflowError) as error:
        raise InvalidEventError(f"The event's time is invalid: {error}") from None


def _status_change(event: Event, detail: Mapping[str, Any], workflow: str) -> StatusChange:
    redrives, terminal, time, identifier = status_rank(event)
    error = event.detail.get("error")
    return StatusChange(
        status=_utf8(detail.get("status")),
        rank=f"{redrives:06d}#{terminal:d}#{iso_time(time)}#{identifier}",
        started_at=_time(detail.get("startDate")),
        stopped_at=_time(detail.get("stopDate")),
        error=_utf8(error) if error else None,
        started_by=_started_by(detail) if workflow in _STARTED_BY_EVENTS else None,
    )


def _started_by(detail: Mapping[str, Any]) -> str | None:
    """The id of the event that started an execution.

    It is in the execution's input, if that is the event, or else in the execution's name, which
    begins with the event's id. EventBridge adds more to the name.
    """
    try:
        given = json.loads(detail.get("input") or "null")
    except (TypeError, ValueError, RecursionError):
        given = None
    if isinstance(given, dict) and {"source", "detail-type", "detail"} <= given.keys():
        found = _UUID.fullmatch(str(given.get("id")))
    else:
        found = _UUID.match(str(detail.get("name")))
    return found[0] if found else None


def _stored(detail: Mapping[str, Any], hashed: Callable[[str], str]) -> tuple[dict[str, Any], bool]:
    """The detail as it is stored: without secrets and, if it is too large, without large values."""
    try:
        shown: dict[str, Any] = without_secrets(dict(detail), hashed)
        texts = {name: _json(value) for name, value in shown.items()}
    except RecursionError:  # nested too deep to search for secrets
        return {}, True
    if len(_json(shown)) <= MAX_DETAIL:
        return shown, False
    kept: dict[str, Any] = {}
    size = 0
    for name in sorted(texts, key=lambda name: (len(texts[name]), name)):
        size += len(_json(name)) + len(texts[name]) + len(": , ")
        kept[name] = shown[name] if size <= MAX_DETAIL else f"(left out: {len(texts[name])} bytes)"
    if len(_json(kept)) > MAX_DETAIL:  # very many or very long names
        return {}, True
    return kept, True


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _utf8(value: Any) -> str:
    """The value as text that DynamoDB accepts."""
    return replace_surrogates(str(value))
