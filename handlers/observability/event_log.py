"""The event log in DynamoDB. Its items are described in event_record.py."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

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
from handlers.shared.clients import client
from handlers.shared.errors import error_code, translate_aws_errors

BY_STATUS = "byStatus"
# What executions may have: the statuses of Step Functions, and the one of an execution of which no
# change was observed. https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
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
# A page of a query is at most 1 MB. A function that answers a request must not read without end.
_MAX_PAGES = 8
# A query with a filter reads this many summaries at a time.
_SUMMARIES_PER_PAGE = 200


@dataclass(frozen=True)
class Summary:
    """What the log says about a job as a whole; times in milliseconds since 1970."""

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
    """Summaries, newest first, and the moment before which there may be more."""

    summaries: list[Summary]
    more_before: str | None


@dataclass(frozen=True)
class Job:
    """A job's events in the order of the table, and whether these are all."""

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
                    client("dynamodb").put_item,
                    Item={**_KEY_ITEM, "key": {"B": os.urandom(_KEY_BYTES)}},
                    ConditionExpression="attribute_not_exists(job)",
                )
                found = self._read_key()  # this one's, or that of someone who was faster
        assert found is not None
        return found

    def _read_key(self) -> bytes | None:
        found = client("dynamodb").get_item(
            TableName=self._table, Key=_KEY_ITEM, ConsistentRead=True
        )
        return bytes(found["Item"]["key"]["B"]) if "Item" in found else None

    @translate_aws_errors("recording an event")
    def record(self, record: EventRecord, expiration: int) -> None:
        """Store an event and update its job's summary.

        The same event again changes nothing. Events may come in any order: the summary has the
        newest event and the last status, whichever was recorded last.
        """
        self._unless_condition_fails(
            client("dynamodb").put_item,
            Item=item_of(record, expiration),
            ConditionExpression="attribute_not_exists(job)",
        )
        self._note_event(record, expiration)
        if record.change:
            self._note_change(record, record.change, expiration)

    def _note_event(self, record: EventRecord, expiration: int) -> None:
        """Make the event the job's latest, unless the summary has a newer one."""
        self._update_summary(
            record.event.job,
            {
                "latest": {"S": record.moment},
                "latestType": {"S": record.event.detail_type},
                "expiration": {"N": str(expiration)},
                **_identity(record),
            },
            defaults={"status": {"S": UNKNOWN if record.execution else NO_EXECUTION}},
            condition="attribute_not_exists(started)"
            " AND (attribute_not_exists(#latest) OR #latest < :latest)",
        )

    def _note_change(self, record: EventRecord, change: StatusChange, expiration: int) -> None:
        """Take over a change of status, unless the summary has a later one."""
        values = {
            "status": {"S": change.status},
            "statusRank": {"S": change.rank},
            "startedAt": change.started_at and {"N": str(change.started_at)},
            "stoppedAt": change.stopped_at and {"N": str(change.stopped_at)},
            "error": change.error and {"S": change.error},
            "startedBy": change.started_by and {"S": change.started_by},
            "expiration": {"N": str(expiration)},
            **_identity(record),
        }
        self._update_summary(
            record.event.job,
            values,
            condition="attribute_not_exists(#statusRank) OR #statusRank < :statusRank",
        )
        if change.started_by:
            self._update_summary(
                job_of_event(change.started_by),
                # Without a status, it is not in the index.
                {
                    "started": {"S": record.event.job},
                    "expiration": {"N": str(expiration)},
                    "status": None,
                },
                condition="attribute_not_exists(#started)",
            )

    def _update_summary(
        self,
        job: str,
        values: Mapping[str, Any],
        *,
        condition: str,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Change a summary if the condition holds: values replace, defaults do not.

        An attribute whose value is None is removed.
        """
        defaults = defaults or {}
        kept = {name: value for name, value in values.items() if value}
        removed = [f"#{name}" for name in values if name not in kept]
        sets = [f"#{name} = :{name}" for name in kept]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in defaults]
        self._unless_condition_fails(
            client("dynamodb").update_item,
            Key=_summary_key(job),
            UpdateExpression=f"SET {', '.join(sets)}"
            + (f" REMOVE {', '.join(removed)}" if removed else ""),
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{name}": name for name in (*values, *defaults)},
            ExpressionAttributeValues={
                f":{name}": value for name, value in {**kept, **defaults}.items()
            },
        )

    def _unless_condition_fails(self, write: Callable[..., Any], **request: Any) -> None:
        try:
            write(TableName=self._table, **request)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    # -- Reading ----------------------------------------------------------------------------------

    @translate_aws_errors("listing jobs")
    def jobs(
        self, statuses: Iterable[str], workflow: str | None, before: str | None, limit: int
    ) -> Listed:
        """The summaries of jobs whose latest event is before a moment, newest first.

        There may be fewer than `limit`, even none, although there are more before `more_before`.
        """
        found: list[Summary] = []
        seen_down_to = ""  # later than this moment, every job has been seen
        for status in statuses:
            summaries, unseen_from = self._with_status(status, workflow, before, limit)
            found += summaries
            seen_down_to = max(seen_down_to, unseen_from)
        found = sorted(
            (summary for summary in found if summary.latest >= seen_down_to),
            key=lambda summary: summary.latest,
            reverse=True,
        )
        if len(found) > limit:
            return Listed(found[:limit], found[limit - 1].latest)
        return Listed(found, seen_down_to or None)

    def _with_status(
        self, status: str, workflow: str | None, before: str | None, limit: int
    ) -> tuple[list[Summary], str]:
        """More than `limit` summaries, or else all, or else those down to a moment."""
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
        unseen_from = ""
        for items, next_key in pages:
            found += [_summary(item) for item in items]
            if len(found) > limit or not next_key:
                return found, ""
            unseen_from = str(next_key["latest"]["S"])
        return found, unseen_from

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
        answer = client("dynamodb").get_item(TableName=self._table, Key=_summary_key(job))
        return _summary(answer["Item"]) if "Item" in answer else None

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
            answer = client("dynamodb").query(TableName=self._table, **query)
            next_key = answer.get("LastEvaluatedKey")
            yield answer["Items"], next_key
            if not next_key:
                return
            query["ExclusiveStartKey"] = next_key


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
