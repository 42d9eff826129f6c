"""The events of the cookies workflow: what a function reads, and what it publishes."""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.shared import settings
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event, field, put_events
from handlers.shared.observability import logger_for

logger = logger_for("cookies")

SOURCE = "project"
# The fields that tie an event to the task that waits for its completion event.
CORRELATION = ("execution", "stateName", "TaskToken")


def task(event: Mapping[str, Any], *needs: str) -> Mapping[str, Any]:
    """The detail of an event for which a task waits.

    It must have an execution, a token and every field in `needs`. Otherwise the reason is logged
    and InvalidEventError is raised; Lambda's retries then end in the dead-letter queue.
    """
    return _checked(event, ("execution", "TaskToken", *needs))


def notice(event: Mapping[str, Any], *needs: str) -> Mapping[str, Any]:
    """The detail of an event for which no task waits: as `task`, but without a token."""
    return _checked(event, ("execution", *needs))


def reply(
    event: Mapping[str, Any],
    detail_type: str,
    payload: Mapping[str, Any],
    *,
    fn: str,
    without: Sequence[str] = (),
) -> Event:
    """An event that responds to another one, with the same source.

    Its detail holds the other event's correlation fields, except those in `without`; then the
    payload, whose fields win; then `meta`: which function made it, and from which event.
    """
    detail = field(event, "detail")
    correlation = {
        name: detail[name] for name in CORRELATION if name in detail and name not in without
    }
    meta = {
        "fn": fn,
        "incoming": field(event, "detail-type"),
        "outgoing": detail_type,
        "execution": field(detail, "execution"),
    }
    return Event(field(event, "source"), detail_type, {**correlation, **payload, "meta": meta})


def finish(event: Mapping[str, Any], result: Mapping[str, Any], *, fn: str) -> None:
    """Publish `task.finished`, which completes the task that waits for this event."""
    announce(reply(event, "task.finished", result, fn=fn))


def announce(*events: Event) -> None:
    put_events(settings.text("EVENT_BUS_NAME"), events)


def _checked(event: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        if field(event, "source") != SOURCE:
            raise InvalidEventError(f"The event's source is not {SOURCE}.")
        detail: Mapping[str, Any] = field(event, "detail")
        for name in names:
            field(detail, name)
    except InvalidEventError as error:
        logger.error("event refused", reason=str(error), event_id=_id(event))
        raise
    return detail


def _id(event: Any) -> Any:
    return event.get("id") if isinstance(event, Mapping) else None
