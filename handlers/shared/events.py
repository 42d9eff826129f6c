"""Events: what handlers read from those they get, and how they put their own on a bus."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.shared.clients import client
from handlers.shared.errors import InvalidEventError, PermanentError, TransientError, aws_errors

# PutEvents: ten entries a request, and 256 KB for all of them together.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
_TIME_BYTES = 14  # what EventBridge counts for an entry's time

# What ties an event to the task that is waiting for its answer.
CORRELATION = ("execution", "stateName", "TaskToken")

Entry = dict[str, str]


class EventTooLargeError(PermanentError):
    """The event is larger than EventBridge takes."""


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


def reply(
    to: Mapping[str, Any],
    detail_type: str,
    payload: Mapping[str, Any],
    *,
    fn: str,
    without: Sequence[str] = (),
) -> Event:
    """An event that answers another one, from the same source.

    Its detail holds the correlation fields of the other, but for those in `without`; then the
    payload, whose fields win; then `meta`: which function answered what with what.
    """
    detail = field(to, "detail")
    carried = {name: detail[name] for name in CORRELATION if name in detail and name not in without}
    meta = {
        "fn": fn,
        "incoming": field(to, "detail-type"),
        "outgoing": detail_type,
        "execution": field(detail, "execution"),
    }
    return Event(field(to, "source"), detail_type, {**carried, **payload, "meta": meta})


def put_events(bus: str, events: Iterable[Event]) -> list[str]:
    """Put events on a bus, in as few requests as there may be; returns their ids in order.

    At least once: EventsNotPutError says that some were refused, and a caller that tries again
    puts the others twice. EventTooLargeError is raised before any is put. Neither says what is in
    an event.
    """
    entries = [_entry(bus, event) for event in events]
    return [identifier for batch in _batches(entries) for identifier in _put(batch)]


def _entry(bus: str, event: Event) -> Entry:
    entry = {
        "EventBusName": bus,
        "Source": event.source,
        "DetailType": event.detail_type,
        "Detail": json.dumps(event.detail, ensure_ascii=False, separators=(",", ":")),
    }
    if (size := _size(entry)) > MAX_BYTES:
        raise EventTooLargeError(
            f"An event {event.detail_type} has {size} bytes; EventBridge takes {MAX_BYTES}."
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
        if batch and (len(batch) == MAX_ENTRIES or size + _size(entry) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    if batch:
        yield batch


def _put(batch: list[Entry]) -> list[str]:
    with aws_errors(f"putting {len(batch)} events"):
        answer = client("events").put_events(Entries=batch)
    if answer["FailedEntryCount"]:
        codes = sorted({result.get("ErrorCode", "") for result in answer["Entries"]} - {""})
        raise EventsNotPutError(
            f"EventBridge refused {answer['FailedEntryCount']} of {len(batch)} events: "
            f"{', '.join(codes) or 'no reason given'}."
        )
    return [result["EventId"] for result in answer["Entries"]]
