"""A message, the event that carries it and the record that is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from handlers.messages import strict_json
from handlers.messages.errors import MalformedMessageError, MessageTooLargeError
from handlers.shared.clock import from_iso, milliseconds
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import Event, ReceivedEvent, field, text_field
from handlers.shared.text import is_utf8

SOURCE = "com.devpost.commonevent"
DETAIL_TYPE = "message"

MAX_ID = 2048  # bytes, as UTF-8: DynamoDB's limit for a partition key
MAX_MESSAGE = 200 * 1024  # bytes of JSON, as UTF-8
# The input of a machine and of each state is limited to 256 KiB. 16 KiB are left for the event's
# other fields and for the results that the machine adds. EventBridge itself accepts 1 MB
# (docs/decisions/0018-message-sizes.md).
MAX_DETAIL = 256 * 1024 - 16 * 1024


def event_of(body: str) -> Event:
    """The event that carries the message of a request body {"message": {…}}.

    Raises MalformedMessageError or MessageTooLargeError, which say what is wrong.
    """
    request = strict_json.parse(body)
    message = request.get("message") if isinstance(request, dict) else None
    if not isinstance(message, dict):
        raise MalformedMessageError(
            'The body must be {"message": {…}}, where {…} is any JSON object.'
        )
    text = strict_json.dump(message)
    if (size := len(text.encode())) > MAX_MESSAGE:
        raise MessageTooLargeError(
            f"The message has {size} bytes of JSON, but the limit is {MAX_MESSAGE}."
        )
    detail = {"message": text}
    if (size := len(strict_json.dump(detail).encode())) > MAX_DETAIL:
        raise MessageTooLargeError(
            f"As a string inside an event the message has {size} bytes, but the limit is "
            f"{MAX_DETAIL}. Every quotation mark and backslash in it counts twice."
        )
    return Event(SOURCE, DETAIL_TYPE, detail)


def check(event: Any) -> str:
    """The id of an EventBridge event whose detail.message is a string of JSON.

    Raises MalformedMessageError, which says what is wrong, for any other event.
    """
    received = ReceivedEvent(event)
    try:
        message_id, time = received.id, received.time
        message = text_field(received.detail, "message")
    except InvalidEventError as error:
        raise MalformedMessageError(str(error)) from None
    if not is_message_id(message_id):
        raise MalformedMessageError(f"The event's id must have at most {MAX_ID} bytes of UTF-8.")
    epoch_milliseconds(time)
    try:
        strict_json.parse(message)
    except MalformedMessageError as error:
        raise MalformedMessageError(f"detail.message cannot be recorded. {error}") from None
    return message_id


@dataclass(frozen=True)
class Record:
    """What is stored of a message."""

    message_id: str  # the id of the event that carried the message
    created_at: int  # the time of that event, in epoch milliseconds
    event: Any  # the message itself: any JSON value

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """From the machine's payload: {messageId, createdAt: ISO 8601, event}."""
        if "event" not in payload:  # `field` would refuse null, which is a valid message
            field(payload, "event")
        return cls(
            message_id=str(field(payload, "messageId")),
            created_at=epoch_milliseconds(field(payload, "createdAt")),
            event=payload["event"],
        )


def is_message_id(text: str) -> bool:
    """Whether this can be a message's id: DynamoDB refuses to look up any other key."""
    return is_utf8(text) and 0 < len(text.encode()) <= MAX_ID


def epoch_milliseconds(time: str) -> int:
    """An ISO 8601 time with a time zone, as epoch milliseconds."""
    try:
        return milliseconds(from_iso(time).timestamp())
    except ValueError as error:
        raise MalformedMessageError(str(error)) from None
