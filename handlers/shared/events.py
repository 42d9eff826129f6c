"""Events: what handlers read from those they get, and how they put their own on a bus."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.shared.clients import client
from handlers.shared.errors import (
    InvalidEventError,
    PermanentError,
    TransientError,
    translate_aws_errors,
)

# PutEvents: ten entries a request, and 1 MB for all of them together.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
MAX_ENTRIES = 10
MAX_REQUEST = 1024 * 1024
# One event: EventBridge takes 1 MB of it as well, but a machine that it starts takes 262,144 bytes
# as its input, the event with its envelope (docs/decisions/0018-message-sizes.md).
MAX_ENVELOPE = 1024  # id, account, time, region; names of fields
MAX_EVENT = 256 * 1024 - MAX_ENVELOPE
_TIME_BYTES = 14  # what EventBridge counts for an entry's time

Entry = dict[str, str]


class EventTooLargeError(PermanentError):
    """The event is larger than the machine takes that EventBridge starts with it."""


class EventsNotPutError(TransientError):
    """EventBridge did not take every event."""


@dataclass(frozen=True)
class Event:
    """An event to be put on a bus."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]


def field(event: Mapping[str, Any], name: str) -> Any:
    """A field the event must have; InvalidEventError names it otherwise."""
    if not isinstance(event, Mapping) or event.get(name) is None:
        raise InvalidEventError(f"The event has no {name}.")
    return event[name]


def put_events(bus: str, events: Iterable[Event], *, once: bool = False) -> list[str]:
    """Put events on a bus, in as few requests as there may be; returns their ids in order.

    At least once: EventsNotPutError says that some were refused, and a caller that tries again
    puts the others twice. The SDK, too, repeats a request whose response was lost, and EventBridge
    then has its events twice, under two ids; with `once` it does not, and AwsUnavailableError says
    that the events may have been put or not. EventTooLargeError is raised before any is put. None
    of them says what is in an event.
    """
    entries = [_entry(bus, event) for event in events]
    return [identifier for batch in _batches(entries) for identifier in _put(batch, once)]


def _entry(bus: str, event: Event) -> Entry:
    entry = {
        "EventBusName": bus,
        "Source": event.source,
        "DetailType": event.detail_type,
        "Detail": json.dumps(event.detail, ensure_ascii=False, separators=(",", ":")),
    }
    if (size := _size(entry)) > MAX_EVENT:
        raise EventTooLargeError(
            f"An event {event.detail_type} has {size} bytes; a machine can be started with "
            f"{MAX_EVENT}."
        )
    return entry


def _size(entry: Entry) -> int:
    """Bytes as EventBridge counts them."""
    return _TIME_BYTES + sum(
        len(entry[name].encode()) for name in ("Source", "DetailType", "Detail")
    )


def _batches(entries: list[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == MAX_ENTRIES or size + _size(entry) > MAX_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    if batch:
        yield batch


def _put(batch: list[Entry], once: bool) -> list[str]:
    bridge = client("events", bulk=True) if once else client("events")  # bulk: one attempt
    with translate_aws_errors(f"putting {len(batch)} events"):
        answer = bridge.put_events(Entries=batch)
    if answer["FailedEntryCount"]:
        codes = sorted({result.get("ErrorCode", "") for result in answer["Entries"]} - {""})
        raise EventsNotPutError(
            f"EventBridge refused {answer['FailedEntryCount']} of {len(batch)} events: "
            f"{', '.join(codes) or 'no reason given'}."
        )
    return [result["EventId"] for result in answer["Entries"]]
