"""The event log in DynamoDB. Its items are described in event_record.py."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from handlers.observability.event_record import (
    EVENT_PREFIX,
    NO_EXECUTION,
    SUMMARY,
    EventRecord,
    StatusChange,
    event_of,
    item_of,
)
from handlers.observability.timeline import UNKNOWN, Event, job_of_event
from handlers.shared.backoff import full_jitter
from handlers.shared.clients import client
from handlers.shared.clock import milliseconds, now
from handlers.shared.errors import error_code, is_transient, translate_aws_errors
from handlers.shared.observability import logger_for

logger = logger_for("observability")

BY_STATUS = "byStatus"
# The statuses of Step Functions, and the status of an execution of which no change was observed.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
EXECUTION_STATUSES = (
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "TIMED_OUT",
    "ABORTED",
    "PENDING_REDRIVE",
    UNKNOWN,
)
STATUSES = (*EXECUTION_STATUSES, NO_EXECUTION)

_KEY_ITEM = {"job": {"S": "key"}, "entry": {"S": "key"}}
_KEY_BYTES = 32
_DAY = 24 * 3600
# Attempts to store events within one invocation.
_ATTEMPTS = 3
_MAX_PUTS = 25  # DynamoDB BatchWriteItem: items per request
_BACKOFF = full_jitter(0.1, maximum=0.5)
# Pages that one query reads, of at most 1 MB each: a function behind the API must respond in time.
_MAX_PAGES = 8
# A query with a filter reads this many summaries at a time.
_SUMMARIES_PER_PAGE = 200


@dataclass(frozen=True)
class Summary:
    """A job's entry in the list of jobs (see event_record.py); times in milliseconds since 1970."""

    job: str
    latest: str
    latest_type: str | None
    status: str | None
    workflow: str | None
    execution: str | None
    started_at: int | None
    stopped_at: int | None
    error: str | None
    started_by: str | None
    started: str | None


@dataclass(frozen=True)
class Listed:
    """Summaries, newest first; if there may be more, `more_before` is the moment to go on from."""

    summaries: list[Summary]
    more_before: str | None


@dataclass(frozen=True)
class Job:
    """A job's events in the order of the table; not `complete` if the job has too many to read."""

    summary: Summary
    events: list[Event]
    complete: bool


class EventLog:
    """The table of events."""

    def __init__(self, table: str) -> None:
        self._table = table

    # -- Recording --------------------------------------------------------------------------------

    def token_key(self) -> bytes:
        """The stage's key for the hashes of task tokens: random, created on first use."""
        with translate_aws_errors("reading the event log's key"):
            found = self._read_key()
            if found is None:
                self._unless_condition_fails(
                    self._client.put_item,
                    Item={**_KEY_ITEM, "key": {"B": os.urandom(_KEY_BYTES)}},
                    ConditionExpression="attribute_not_exists(job)",
                )
                found = self._read_key()  # another invocation may have stored its key first
        assert found is not None
        return found

    def _read_key(self) -> bytes | None:
        found = self._client.get_item(TableName=self._table, Key=_KEY_ITEM, ConsistentRead=True)
        return bytes(found["Item"]["key"]["B"]) if "Item" in found else None

    def record(self, records: Iterable[EventRecord], *, days: int) -> list[EventRecord]:
        """Store events for some days and update the summaries of their jobs.

        Returns the events that could not be recorded, which the caller may pass again. To record an
        event twice is safe, because it is the same item. Events may come in any order: a summary
        has the newest event and the last status, even if an older one is recorded later.
        """
        by_key = {(record.event.job, record.entry): record for record in records}
        given = [*by_key.values()]
        failed = [
            record
            for start in range(0, len(given), _MAX_PUTS)
            for record in self._store(given[start : start + _MAX_PUTS], days)
        ]
        stored: dict[str, list[EventRecord]] = {}
        for record in by_key.values():
            if record not in failed:
                stored.setdefault(record.event.job, []).append(record)
        for job, of_job in stored.items():
            try:
                self._summarize(of_job, max(map(_expiration(days), of_job)))
            except (BotoCoreError, ClientError) as error:
                logger.error("summary not updated", job=job, reason=str(error))
                failed += of_job
        return failed

    def _store(self, records: list[EventRecord], days: int) -> list[EventRecord]:
        """Store at most _MAX_PUTS events; returns those that were not stored.

        The writes have no condition. An event that is recorded again differs only in the time of
        recording, and that must be the time of this attempt: readers of the index `byRecording`
        look back only a few seconds for events that they have not seen.
        """
        expiration = _expiration(days)
        remaining = records
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_BACKOFF(attempt))
            recorded = milliseconds(now())
            by_key = {(record.event.job, record.entry): record for record in remaining}
            puts = [
                {
                    "PutRequest": {
                        "Item": item_of(record, expiration=expiration(record), recorded=recorded)
                    }
                }
                for record in remaining
            ]
            try:
                response = self._client.batch_write_item(RequestItems={self._table: puts})
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    return self._store_each(remaining, error, days)
                logger.warning("DynamoDB is unavailable", reason=str(error), events=len(remaining))
                continue
            unprocessed = response.get("UnprocessedItems", {}).get(self._table, [])
            items = [put["PutRequest"]["Item"] for put in unprocessed]
            remaining = [by_key[item["job"]["S"], item["entry"]["S"]] for item in items]
            if not remaining:
                return []
        return remaining

    def _store_each(
        self, records: list[EventRecord], error: Exception, days: int
    ) -> list[EventRecord]:
        """Store events one by one: DynamoDB refuses a batch if it refuses one of its items."""
        if len(records) == 1:
            logger.error("event refused", job=records[0].event.job, reason=str(error))
            return records
        return [failed for record in records for failed in self._store([record], days)]

    def _summarize(self, records: list[EventRecord], expiration: int) -> None:
        """Update a job's summary with its newest event and its last change of status."""
        newest = max(records, key=lambda record: record.moment)
        changed = max(
            (record for record in records if record.change),
            key=lambda record: record.change.rank if record.change else "",
            default=None,
        )
        event = _newest_event(newest, expiration)
        if changed is None or changed.change is None:
            self._update_summary(event)
            return
        change = _last_change(changed, changed.change, expiration)
        # Usually both updates apply, so that one request is enough.
        if not self._update_summary(event.and_also(change)):
            self._update_summary(event)
            self._update_summary(change)
        for started_by in {record.change.started_by for record in records if record.change}:
            if started_by:
                self._update_summary(_started(started_by, newest.event.job, expiration))

    def _update_summary(self, update: "_Update") -> bool:
        """Update a summary; returns False if it already has something newer."""
        request = {"Key": _summary_key(update.job), **update.request()}
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._unless_condition_fails(self._client.update_item, **request)
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    raise
            time.sleep(_BACKOFF(attempt))
        return self._unless_condition_fails(self._client.update_item, **request)

    def _unless_condition_fails(self, write: Callable[..., Any], **request: Any) -> bool:
        """Send a conditional write; returns False if its condition does not hold."""
        try:
            write(TableName=self._table, **request)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    @property
    def _client(self) -> Any:
        """The client for recording. It has no retries: those are here, with short timeouts."""
        return client("dynamodb", bulk=True)

    # -- Reading ----------------------------------------------------------------------------------

    @translate_aws_errors("listing jobs")
    def jobs(
        self, statuses: Iterable[str], workflow: str | None, before: str | None, limit: int
    ) -> Listed:
        """The summaries of jobs whose latest event is before a moment, newest first.

        There may be fewer than `limit`, even none, although there are more jobs, because a query
        stops after some pages. The next call continues from `more_before`.
        """
        found: list[Summary] = []
        # Every status was read down to this moment. Older jobs of one status are left for the next
        # call, because newer ones of another status may be unread.
        read_down_to = ""
        for status in statuses:
            summaries, status_read_down_to = self._with_status(status, workflow, before, limit)
            found += summaries
            read_down_to = max(read_down_to, status_read_down_to)
        found = sorted(
            (summary for summary in found if summary.latest >= read_down_to),
            key=lambda summary: summary.latest,
            reverse=True,
        )
        if len(found) > limit:
            return Listed(found[:limit], found[limit - 1].latest)
        return Listed(found, read_down_to or None)

    def _with_status(
        self, status: str, workflow: str | None, before: str | None, limit: int
    ) -> tuple[list[Summary], str]:
        """Summaries with a status, newest first, and the moment down to which they were read.

        The moment is empty if nothing was left unread, or if there are more than `limit` summaries.
        """
        condition, values = "#status = :status", {":status": {"S": status}}
        names = {"#status": "status"}
        if before:
            condition += " AND latest < :before"
            values[":before"] = {"S": before}
        query: dict[str, Any] = {"Limit": limit + 1}
        if workflow:
            query = {"FilterExpression": "workflow = :workflow", "Limit": _SUMMARIES_PER_PAGE}
            values[":workflow"] = {"S": workflow}
        pages = self._query(
            IndexName=BY_STATUS,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            **query,
        )
        found: list[Summary] = []
        read_down_to = ""
        for items, next_key in pages:
            found += [_summary(item) for item in items]
            if len(found) > limit or not next_key:
                return found, ""
            read_down_to = str(next_key["latest"]["S"])
        return found, read_down_to

    @translate_aws_errors("reading a job")
    def job(self, job: str) -> Job | None:
        """A job with its events; of an execution, also the event that started it."""
        summary = self._summary(job)
        if summary is None:
            return None
        events, complete = self._events(job)
        if not events:
            return None  # an event that started an execution may have a summary before its item
        if summary.started_by:
            starting, _ = self._events(job_of_event(summary.started_by))
            events = starting + events
        return Job(summary, events, complete)

    def _summary(self, job: str) -> Summary | None:
        response = client("dynamodb").get_item(TableName=self._table, Key=_summary_key(job))
        return _summary(response["Item"]) if "Item" in response else None

    def _events(self, job: str) -> tuple[list[Event], bool]:
        """The events of a job, and whether these are all."""
        pages = [
            *self._query(
                KeyConditionExpression="job = :job AND begins_with(entry, :event)",
                ExpressionAttributeValues={":job": {"S": job}, ":event": {"S": EVENT_PREFIX}},
            )
        ]
        return [event_of(item) for items, _ in pages for item in items], not pages[-1][1]

    def _query(self, **query: Any) -> Iterator[tuple[list[Any], Any]]:
        """The first pages of a query: their items, and the key of the next page."""
        for _ in range(_MAX_PAGES):
            response = client("dynamodb").query(TableName=self._table, **query)
            next_key = response.get("LastEvaluatedKey")
            yield response["Items"], next_key
            if not next_key:
                return
            query["ExclusiveStartKey"] = next_key


# -- Summaries ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Update:
    """An update of a job's summary, which is made only if all conditions hold.

    `values` replace attributes, and a value of None removes one. `defaults` are stored only if the
    summary does not have the attribute yet.
    """

    job: str
    values: Mapping[str, Any]
    conditions: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def and_also(self, other: "_Update") -> "_Update":
        """Both changes, if the conditions of both hold."""
        values = {**self.values, **other.values}
        defaults = {**self.defaults, **other.defaults}
        return _Update(
            self.job,
            values,
            self.conditions + other.conditions,
            {name: value for name, value in defaults.items() if name not in values},
        )

    def request(self) -> dict[str, Any]:
        """The parameters of UpdateItem."""
        kept = {name: value for name, value in self.values.items() if value}
        removed = [f"#{name}" for name in self.values if name not in kept]
        sets = [f"#{name} = :{name}" for name in kept]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in self.defaults]
        return {
            "UpdateExpression": f"SET {', '.join(sets)}"
            + (f" REMOVE {', '.join(removed)}" if removed else ""),
            "ConditionExpression": " AND ".join(f"({part})" for part in self.conditions),
            "ExpressionAttributeNames": {
                f"#{name}": name for name in (*self.values, *self.defaults)
            },
            "ExpressionAttributeValues": {
                f":{name}": value for name, value in {**kept, **self.defaults}.items()
            },
        }


def _newest_event(record: EventRecord, expiration: int) -> _Update:
    """Make an event the job's latest, unless the summary has a newer one."""
    return _Update(
        record.event.job,
        {
            "latest": {"S": record.moment},
            "latestType": {"S": record.event.detail_type},
            "expiration": {"N": str(expiration)},
            **_identity(record),
        },
        # An event that started an execution has no latest: it is not in the index.
        (
            "attribute_not_exists(started)",
            "attribute_not_exists(#latest) OR #latest < :latest",
        ),
        {"status": {"S": UNKNOWN if record.execution else NO_EXECUTION}},
    )


def _last_change(record: EventRecord, change: StatusChange, expiration: int) -> _Update:
    """Store a change of status, unless the summary has a later one."""
    return _Update(
        record.event.job,
        {
            "status": {"S": change.status},
            "statusRank": {"S": change.rank},
            "startedAt": change.started_at and {"N": str(change.started_at)},
            "stoppedAt": change.stopped_at and {"N": str(change.stopped_at)},
            "error": change.error and {"S": change.error},
            "startedBy": change.started_by and {"S": change.started_by},
            "expiration": {"N": str(expiration)},
            **_identity(record),
        },
        ("attribute_not_exists(#statusRank) OR #statusRank < :statusRank",),
    )


def _started(event_id: str, job: str, expiration: int) -> _Update:
    """Store in an event's summary which job it started, unless it has one."""
    return _Update(
        job_of_event(event_id),
        # Without a status, it is not in the index.
        {"started": {"S": job}, "expiration": {"N": str(expiration)}, "status": None},
        ("attribute_not_exists(#started)",),
    )


def _expiration(days: int) -> Callable[[EventRecord], int]:
    """When an event expires, in seconds since 1970: some days after it was received."""

    def of(record: EventRecord) -> int:
        event = record.event
        return (event.received or event.time) // 1000 + days * _DAY

    return of


def _summary_key(job: str) -> dict[str, Any]:
    return {"job": {"S": job}, "entry": {"S": SUMMARY}}


def _identity(record: EventRecord) -> dict[str, Any]:
    if record.execution is None or record.workflow is None:
        return {}
    return {"execution": {"S": record.execution}, "workflow": {"S": record.workflow}}


def _summary(item: Mapping[str, Any]) -> Summary:
    def text(name: str) -> str | None:
        return str(item[name]["S"]) if name in item else None

    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return Summary(
        job=item["job"]["S"],
        latest=text("latest") or "",
        latest_type=text("latestType"),
        status=text("status"),
        workflow=text("workflow"),
        execution=text("execution"),
        started_at=number("startedAt"),
        stopped_at=number("stoppedAt"),
        error=text("error"),
        started_by=text("startedBy"),
        started=text("started"),
    )
