"""Reads the parameters of requests for jobs, and makes the responses."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any

from handlers.observability.catalogue import CATALOGUE
from handlers.observability.event_log import STATUSES, Job, Summary
from handlers.observability.event_record import iso_time
from handlers.observability.timeline import Event, architecture, derive
from handlers.shared.clock import from_iso, milliseconds
from handlers.shared.errors import InvalidEventError

_WORKFLOW = re.compile(r"[A-Za-z0-9_-]{1,80}")
_JOB = re.compile(r"[^\s:]{1,80}:[^\s:]{1,80}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z#[\x21-\x7e]{1,100}", re.ASCII)
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,100}")
_INVALID_TOKEN = "nextToken must be the one from the response before."
MAX_PAGE_BYTES = 4_000_000  # of details; a function's response is limited to 6 MB


# -- Parameters -----------------------------------------------------------------------------------


def is_job(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return bool(_JOB.fullmatch(text)) and text.isprintable()


def status_of(text: str) -> str:
    """The parameter `status`, in any case; InvalidEventError if there is no such status."""
    if text.upper() not in STATUSES:
        raise InvalidEventError(f"status must be one of {', '.join(STATUSES)}.")
    return text.upper()


def workflow_of(text: str) -> str:
    """The parameter `workflow`; InvalidEventError if it cannot be a workflow's name."""
    if not _WORKFLOW.fullmatch(text):
        raise InvalidEventError("workflow must be a workflow's name, such as cookies.")
    return text


def moment_of(text: str) -> str:
    """The parameter `before` in the form of a sort key; InvalidEventError if it is not a time."""
    try:
        return iso_time(milliseconds(from_iso(text).timestamp()))
    except (ValueError, OverflowError):
        raise InvalidEventError(
            "before must be an ISO 8601 time with a time zone, such as 2026-01-31T12:00:00Z."
        ) from None


def token_of(position: str) -> str:
    """A position in a list as the parameter `nextToken` of the request for the next page."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def moment_of_token(token: str) -> str:
    """The position in the list of jobs that a `nextToken` stands for."""
    return _decoded(token, _MOMENT)


def event_of_token(token: str) -> str:
    """The position in a job's events that a `nextToken` stands for: an event's id."""
    return _decoded(token, _EVENT_ID)


def _decoded(token: str, form: re.Pattern[str]) -> str:
    try:
        found = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        found = ""
    if not form.fullmatch(found):
        raise InvalidEventError(_INVALID_TOKEN)
    return found


# -- Results --------------------------------------------------------------------------------------


def summary_dict(summary: Summary) -> dict[str, Any]:
    """A job's summary as the API returns it; fields whose value is not known are left out."""
    shown = {
        "id": summary.job,
        "workflow": summary.workflow,
        "status": summary.status,
        "executionArn": summary.execution,
        "startedAt": summary.started_at,
        "stoppedAt": summary.stopped_at,
        "error": summary.error,
        "latest": summary.latest.partition("#")[0] or None,
        "latestType": summary.latest_type,
        "startedBy": summary.started_by,
        "started": summary.started,
    }
    return {name: value for name, value in shown.items() if value is not None}


def page_of(job: Job, limit: int, after: str | None) -> dict[str, Any]:
    """A page of a job's events, and the spans that these events begin.

    `after` is the id of the last event of the page before. The spans are derived from all events of
    the job, and `architecture` counts all of them on every page. Raises InvalidEventError if there
    is no event with that id.
    """
    timeline = derive(job.events, CATALOGUE)
    ids_in_order = [event.id for event in timeline.events]
    if after is not None and after not in ids_in_order:
        raise InvalidEventError(_INVALID_TOKEN)
    rest = timeline.events[ids_in_order.index(after) + 1 if after else 0 :]
    events = _fitting_into_response(rest[:limit])
    ids = {event.id for event in events}
    shown = {
        **summary_dict(job.summary),
        "events": [event.as_dict() for event in events],
        "spans": [
            span.as_dict()
            for span in timeline.spans
            if (span.took in ids if span.took else after is None)
        ],
        "architecture": [edge.as_dict() for edge in architecture(job.events, CATALOGUE)],
        "complete": job.complete,
    }
    if len(events) < len(rest):
        shown["nextToken"] = token_of(events[-1].id)
    return shown


def _fitting_into_response(events: Sequence[Event]) -> list[Event]:
    """The first events, as many as fit into MAX_PAGE_BYTES; at least one."""
    size = 0
    for number, event in enumerate(events):
        size += len(json.dumps(event.detail))
        if size > MAX_PAGE_BYTES and number:
            return [*events[:number]]
    return [*events]
