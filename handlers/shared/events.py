"""The form of an event on a bus: reading one that a rule delivered, and putting new ones."""

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

# PutEvents: at most ten entries per request, and 1 MB for all of them.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
MAX_ENTRIES = 10
MAX_REQUEST = 1024 * 1024
# EventBridge accepts an event of 1 MB. A machine that it starts accepts an input of at most
# 262,144 bytes, which is the event with its envelope (docs/decisions/0018-message-sizes.md).
MAX_ENVELOPE = 1024  # id, account, time and region, with their field names
MAX_EVENT = 256 * 1024 - MAX_ENVELOPE
_TIME_BYTES = 14  # counted by EventBridge for an entry's time

Entry = dict[str, str]


class EventTooLargeError(PermanentError):
    """The event exceeds the input limit of a machine that EventBridge starts."""


class EventsNotPutError(TransientError):
    """EventBridge refused some of the events."""


@dataclass(frozen=True)
class Event:
    """An event to put on a bus."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class ReceivedEvent:
    """An event as EventBridge delivers it.

    Its fields are checked when they are read, because a rule may leave some out. Each raises
    InvalidEventError if the event does not have it, or has it with another type.
    """

    envelope: Any

    @property
    def id(self) -> str:
        return text_field(self.envelope, "id")

    @property
    def time(self) -> str:
        return text_field(self.envelope, "time")

    @property
    def source(self) -> str:
        return text_field(self.envelope, "source")

    @property
    def detail_type(self) -> str:
        return text_field(self.envelope, "detail-type")

    @property
    def detail(self) -> Mapping[str, Any]:
        detail = field(self.envelope, "detail")
        if not isinstance(detail, Mapping):
            raise InvalidEventError("The event has no detail that is an object.")
        return detail


def field(event: Mapping[str, Any], name: str) -> Any:
    """A required field of an event. Raises InvalidEventError if it is missing."""
    if not isinstance(event, Mapping) or event.get(name) is None:
        raise InvalidEventError(f"The event has no {name}.")
    return event[name]


def text_field(event: Mapping[str, Any], name: str) -> str:
    """A required field that is a string and not empty. Raises InvalidEventError otherwise."""
    value = field(event, name)
    if not isinstance(value, str) or not value:
        raise InvalidEventError(f"The event has no {name} that is a non-empty string.")
    return value


def put_events(bus: str, events: Iterable[Event], *, once: bool = False) -> list[str]:
    """Put events on a bus, in as few requests as possible; returns their ids in order.

    Delivery is at least once. EventsNotPutError means that EventBridge refused some events; a retry
    puts the others a second time. The SDK also repeats a request if its response is lost:
    EventBridge then has the events twice, with different ids. With `once`, the SDK does not repeat
    requests, and AwsUnavailableError means that the events may or may not have been put.

    EventTooLargeError is raised before any event is put. Error messages contain no event content.
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
            f"The event {event.detail_type} has {size} bytes. The maximum is {MAX_EVENT}."
        )
    return entry


def _size(entry: Entry) -> int:
    """The size in bytes, as EventBridge counts it."""
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
        response = bridge.put_events(Entries=batch)
    if response["FailedEntryCount"]:
        codes = sorted({result.get("ErrorCode", "") for result in response["Entries"]} - {""})
        raise EventsNotPutError(
            f"EventBridge refused {response['FailedEntryCount']} of {len(batch)} events: "
            f"{', '.join(codes) or 'no reason given'}."
        )
    return [result["EventId"] for result in response["Entries"]]
