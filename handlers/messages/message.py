"""A message: from the event that carries it to the record that is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from handlers.messages import strict_json
from handlers.messages.errors import MalformedMessageError, MessageTooLargeError
from handlers.shared.clock import from_iso, milliseconds
from handlers.shared.events import Event, field
from handlers.shared.text import is_utf8

SOURCE = "com.devpost.commonevent"
DETAIL_TYPE = "message"

MAX_ID = 2048  # bytes, as UTF-8: of a partition key in DynamoDB
MAX_MESSAGE = 200 * 1024  # bytes of JSON, as UTF-8
# A machine's input and every state take 256 KiB: the event, and what the machine adds of what
# became of it. EventBridge would take 1 MB (docs/decisions/0018-message-sizes.md).
MAX_DETAIL = 256 * 1024 - 16 * 1024


def event_of(body: str) -> Event:
    """The event that carries the message of a request body {"message": {…}}.

    MalformedMessageError and MessageTooLargeError say what is wrong with any other.
    """
    request = strict_json.parse(body)
    message = request.get("message") if isinstance(request, dict) else None
    if not isinstance(message, dict):
        raise MalformedMessageError('The body must be {"message": {…}}, with any JSON object.')
    text = strict_json.dump(message)
    if (size := len(text.encode())) > MAX_MESSAGE:
        raise MessageTooLargeError(f"The message has {size} bytes of JSON; {MAX_MESSAGE} may be.")
    detail = {"message": text}
    if (size := len(strict_json.dump(detail).encode())) > MAX_DETAIL:
        raise MessageTooLargeError(
            f"As a text inside an event the message has {size} bytes; {MAX_DETAIL} may be. "
            f"Every quotation mark and backslash in it counts twice."
        )
    return Event(SOURCE, DETAIL_TYPE, detail)


def check(event: Any) -> str:
    """The id of an EventBridge event whose detail.message is JSON, as a string.

    MalformedMessageError says what is wrong with any other.
    """
    message_id = _text(event, "id")
    if not is_message_id(message_id):
        raise MalformedMessageError(f"The event's id is not a text of at most {MAX_ID} bytes.")
    epoch_milliseconds(_text(event, "time"))
    detail = event.get("detail")
    try:
        strict_json.parse(_text(detail, "message"))
    except MalformedMessageError as error:
        raise MalformedMessageError(f"detail.message cannot be recorded. {error}") from None
    return message_id


@dataclass(frozen=True)
class Record:
    """What is kept of a message."""

    message_id: str  # the id of the event that carried it
    created_at: int  # when that event was put; epoch milliseconds
    event: Any  # the message itself: any JSON

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """From what the machine sends: {messageId, createdAt: ISO 8601, event}."""
        if "event" not in payload:  # null is JSON too
            field(payload, "event")
        return cls(
            message_id=str(field(payload, "messageId")),
            created_at=epoch_milliseconds(field(payload, "createdAt")),
            event=payload["event"],
        )


def is_message_id(text: str) -> bool:
    """Whether a message can have this id: DynamoDB refuses to look up any other."""
    return is_utf8(text) and 0 < len(text.encode()) <= MAX_ID


def epoch_milliseconds(time: str) -> int:
    """The epoch milliseconds of an ISO 8601 time with a time zone."""
    try:
        return milliseconds(from_iso(time).timestamp())
    except ValueError as error:
        raise MalformedMessageError(str(error)) from None


def _text(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    if not isinstance(value, str) or not value:
        raise MalformedMessageError(f"The event has no {name}, or it is not a text.")
    return value
