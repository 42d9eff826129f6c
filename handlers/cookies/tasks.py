"""The events of the cookies workflow: what a function reads, and what it publishes."""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.shared import settings
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event, ReceivedEvent, field, put_events
from handlers.shared.observability import logger_for

logger = logger_for("cookies")

SOURCE = "project"
# The fields that tie an event to the task that waits for its completion event.
CORRELATION = ("execution", "stateName", "TaskToken")


def task_event(event: Any, *required: str) -> ReceivedEvent:
    """An event for which a task waits.

    Its detail must have an execution, a token and every field in `required`. Otherwise the reason
    is logged and InvalidEventError is raised; Lambda's retries then end in the dead-letter queue.
    """
    return _checked(event, ("execution", "TaskToken", *required))


def notification(event: Any, *required: str) -> ReceivedEvent:
    """An event for which no task waits: as `task_event`, but without a token."""
    return _checked(event, ("execution", *required))


def reply(
    event: ReceivedEvent,
    detail_type: str,
    payload: Mapping[str, Any],
    *,
    fn: str,
    omit: Sequence[str] = (),
) -> Event:
    """An event that responds to another one, with the same source.

    Its detail holds the other event's correlation fields, except those in `omit`; then the
    payload, whose fields win; then `meta`: which function made it, and from which event.
    """
    detail = event.detail
    correlation = {
        name: detail[name] for name in CORRELATION if name in detail and name not in omit
    }
    meta = {
        "fn": fn,
        "incoming": event.detail_type,
        "outgoing": detail_type,
        "execution": field(detail, "execution"),
    }
    return Event(event.source, detail_type, {**correlation, **payload, "meta": meta})


def finish(event: ReceivedEvent, result: Mapping[str, Any], *, fn: str) -> None:
    """Publish `task.finished`, which completes the task that waits for this event."""
    publish(reply(event, "task.finished", result, fn=fn))


def publish(*events: Event) -> None:
    put_events(settings.text("EVENT_BUS_NAME"), events)


def _checked(event: Any, names: tuple[str, ...]) -> ReceivedEvent:
    received = ReceivedEvent(event)
    try:
        if received.source != SOURCE:
            raise InvalidEventError(f"The event's source is not {SOURCE}.")
        for name in names:
            field(received.detail, name)
    except InvalidEventError as error:
        logger.error("event refused", reason=str(error), event_id=_event_id(event))
        raise
    return received


def _event_id(event: Any) -> Any:
    return event.get("id") if isinstance(event, Mapping) else None
