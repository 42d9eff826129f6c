"""A message, the event that carries it, and its record."""

import json
from typing import Any

import pytest

from handlers.messages.errors import MalformedMessageError, MessageTooLargeError
from handlers.messages.message import (
    MAX_DETAIL,
    MAX_MESSAGE,
    Record,
    check,
    epoch_milliseconds,
    event_of,
)
from handlers.shared.errors import InvalidEventError
from tests.support import catalogue

EVENT = {
    "id": "e1",
    "time": "2025-01-01T00:00:00Z",
    "source": "com.devpost.commonevent",
    "detail-type": "message",
    "detail": {"message": '{"a": 1}'},
}
PAYLOAD = {"messageId": "e1", "createdAt": "2025-01-01T00:00:00Z", "event": {"a": 1}}


def body(message: Any) -> str:
    return json.dumps({"message": message}, ensure_ascii=False)


# -- Posted messages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [{}, {"a": [1, 2.5, None, True]}, {"": {"ä": '"quotes" \\ 🙂\n'}}],
    ids=["empty", "values", "texts"],
)
def test_any_object_can_be_posted_and_becomes_a_json_string(message: Any) -> None:
    event = event_of(body(message))

    assert (event.source, event.detail_type) == ("com.devpost.commonevent", "message")
    assert json.loads(event.detail["message"]) == message
    catalogue.validate(event.source, event.detail_type, event.detail)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"text"', "{}", body("text"), body(["a"]), body(None), body(1)],
)
def test_a_message_that_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        event_of(text)


@pytest.mark.parametrize("number", ["1e309", "1" + "0" * 400], ids=["1e309", "401 digits"])
def test_a_number_too_large_for_a_double_cannot_be_posted(number: str) -> None:
    with pytest.raises(MalformedMessageError, match="too large for a double"):
        event_of(f'{{"message": {{"a": {number}}}}}')


def test_two_hundred_kilobytes_are_accepted_and_one_byte_more_is_not() -> None:
    """200 * 1024 bytes of JSON."""
    max_letters = MAX_MESSAGE - len('{"a":""}')

    event = event_of(body({"a": "x" * max_letters}))

    assert len(event.detail["message"]) == 200 * 1024
    with pytest.raises(MessageTooLargeError, match="204801 bytes"):
        event_of(body({"a": "x" * (max_letters + 1)}))


def test_whitespace_between_json_tokens_does_not_count() -> None:
    message = {"a": "x" * (MAX_MESSAGE - 10)}

    assert event_of(json.dumps({"message": message}, indent=100))


@pytest.mark.parametrize("letter", ["ä", "日", "🙂"])
def test_the_limit_counts_unescaped_bytes(letter: str) -> None:
    max_letters = (MAX_MESSAGE - len('{"a":""}')) // len(letter.encode())

    event = event_of(body({"a": letter * max_letters}))

    assert letter in event.detail["message"]
    with pytest.raises(MessageTooLargeError):
        event_of(body({"a": letter * (max_letters + 1)}))


def test_a_message_that_is_too_large_because_of_its_quotes_is_refused_with_the_reason() -> None:
    message = {"a": ["" for _ in range(60_000)]}
    assert len(json.dumps(message, separators=(",", ":"))) < MAX_MESSAGE

    with pytest.raises(MessageTooLargeError, match="counts twice"):
        event_of(body(message))


def test_a_message_may_fill_an_event_completely() -> None:
    quotes = (MAX_DETAIL - len(json.dumps({"message": '{"a":""}'}, separators=(",", ":")))) // 4

    assert event_of(body({"a": '"' * quotes}))
    with pytest.raises(MessageTooLargeError):
        event_of(body({"a": '"' * (quotes + 1)}))


# -- Events for the machine -------------------------------------------------------------------


def test_a_valid_event_returns_its_id() -> None:
    assert check(EVENT) == "e1"


@pytest.mark.parametrize("text", ["null", "1", '"a"', "[]", "{}", " {} "])
def test_any_json_is_a_message(text: str) -> None:
    assert check(EVENT | {"detail": {"message": text}}) == "e1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"detail": {"message": "{bad"}}, "not JSON"),
        ({"detail": {"message": ""}}, "no message"),
        ({"detail": {"message": {"a": 1}}}, "no message"),
        ({"detail": {"message": None}}, "no message"),
        ({"detail": {}}, "no message"),
        ({"detail": None}, "no detail"),
        ({"detail": "text"}, "no detail"),
        ({"id": None}, "no id"),
        ({"id": 1}, "no id"),
        pytest.param({"id": "x" * 2049}, "2048 bytes", id="a-long-id"),
        pytest.param({"id": "\ud800"}, "2048 bytes", id="half-a-character"),
        pytest.param(
            {"detail": {"message": "1" + "0" * 400}}, "too large for a double", id="401-digits"
        ),
        ({"time": None}, "no time"),
        ({"time": "yesterday"}, "ISO 8601"),
        ({"time": "2025-01-01T00:00:00"}, "no time zone"),
    ],
    ids=str,
)
def test_any_other_event_is_malformed(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedMessageError, match=reason):
        check(EVENT | change)


@pytest.mark.parametrize("event", [None, [], "text", {}], ids=str)
def test_a_value_that_is_no_event_is_malformed(event: Any) -> None:
    with pytest.raises(MalformedMessageError):
        check(event)


# -- Records ----------------------------------------------------------------------------------


def test_a_record_is_made_from_the_machines_payload() -> None:
    assert Record.from_payload(PAYLOAD) == Record("e1", 1_735_689_600_000, {"a": 1})


def test_null_is_a_message_but_a_missing_message_is_not() -> None:
    assert Record.from_payload(PAYLOAD | {"event": None}).event is None
    with pytest.raises(InvalidEventError, match="no event"):
        Record.from_payload({k: v for k, v in PAYLOAD.items() if k != "event"})


@pytest.mark.parametrize("missing", ["messageId", "createdAt"])
def test_a_payload_without_a_required_field_is_refused(missing: str) -> None:
    with pytest.raises(InvalidEventError, match=missing):
        Record.from_payload(PAYLOAD | {missing: None})


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-01-01T00:00:00Z", 1_735_689_600_000),
        ("2025-01-01T00:00:00.1239Z", 1_735_689_600_124),
        ("2025-01-01T02:00:00+02:00", 1_735_689_600_000),
    ],
)
def test_times_are_epoch_milliseconds(time: str, milliseconds: int) -> None:
    assert epoch_milliseconds(time) == milliseconds
