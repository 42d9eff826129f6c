"""What a function here is asked to do: the detail of an event, checked before any work is done."""

from collections.abc import Mapping
from typing import Any

from handlers.shared import settings
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event, field, put_events, reply
from handlers.shared.observability import logger_for

logger = logger_for("cookies")

SOURCE = "project"


def task(event: Mapping[str, Any], *needs: str) -> Mapping[str, Any]:
    """The detail of an event that a task waits for.

    It has an execution and a token, and every field in `needs`; otherwise InvalidEventError is
    raised, and what refused the event is logged: Lambda's retries end in the dead-letter queue.
    """
    return _checked(event, ("execution", "TaskToken", *needs))


def notice(event: Mapping[str, Any], *needs: str) -> Mapping[str, Any]:
    """The detail of an event for which nobody waits: as `task`, but without a token."""
    return _checked(event, ("execution", *needs))


def finish(event: Mapping[str, Any], result: Mapping[str, Any], *, fn: str) -> None:
    """Tell the task that waits for this event its result."""
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
