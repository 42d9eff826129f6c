"""What handlers read from their events."""

from collections.abc import Mapping
from typing import Any

from handlers.shared.errors import InvalidEventError


def field(event: Mapping[str, Any], name: str) -> Any:
    """A field the event must have; InvalidEventError names it otherwise."""
    if not isinstance(event, Mapping) or event.get(name) is None:
        raise InvalidEventError(f"The event has no {name}.")
    return event[name]
