"""Reading a record."""

import json
from typing import Any

import pytest

from handlers.messages.get_message import handler
from handlers.messages.message import Record
from handlers.messages.store import MessageStore
from tests.unit.fakes import FakeContext, client_error
from tests.unit.messages.fakes import FakeDynamoDb


def get(message_id: str) -> dict[str, Any]:
    return {"pathParameters": {"messageId": message_id}, "requestContext": {"requestId": "r1"}}


def test_a_record_is_what_was_recorded(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    event = {"ä": ["🙂", 1.5, None, 12345678901234567890], "": {}}
    MessageStore(dynamodb, "messages").record(Record("e1", 1_735_689_600_000, event))

    found = handler(get("e1"), context)

    assert found["statusCode"] == 200
    record = json.loads(found["body"])
    assert record.pop("receivedAt") > 1_735_689_600_000
    assert record == {"messageId": "e1", "createdAt": 1_735_689_600_000, "event": event}


def test_an_unknown_id_is_a_404(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    found = handler(get("e2"), context)

    assert found["statusCode"] == 404
    assert json.loads(found["body"])["message"]


@pytest.mark.parametrize(
    "message_id",
    ["x" * 2049, "é" * 1025, "x" * 100_000, "\ud800"],
    ids=["2049 bytes", "2050 bytes", "long", "half a character"],
)
def test_an_id_that_no_record_can_have_is_not_looked_up(
    dynamodb: FakeDynamoDb, context: FakeContext, message_id: str
) -> None:
    dynamodb.fails_with = [client_error("ValidationException")]  # what DynamoDB says to such a key

    found = handler(get(message_id), context)

    assert found["statusCode"] == 404
    assert json.loads(found["body"])["message"]


def test_the_longest_id_is_looked_up(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    MessageStore(dynamodb, "messages").record(Record("é" * 1024, 1_735_689_600_000, {}))

    assert handler(get("é" * 1024), context)["statusCode"] == 200


def test_a_table_that_does_not_answer_is_a_503(
    dynamodb: FakeDynamoDb, context: FakeContext
) -> None:
    dynamodb.fails_with = [client_error("ThrottlingException")]

    assert handler(get("e1"), context)["statusCode"] == 503
