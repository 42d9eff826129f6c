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


def test_a_recorded_message_is_returned_unchanged(
    dynamodb: FakeDynamoDb, context: FakeContext
) -> None:
    event = {"ä": ["🙂", 1.5, None, 12345678901234567890], "": {}}
    MessageStore(dynamodb, "messages").record(Record("e1", 1_735_689_600_000, event))

    response = handler(get("e1"), context)

    assert response["statusCode"] == 200
    record = json.loads(response["body"])
    assert record.pop("receivedAt") > 1_735_689_600_000
    assert record == {"messageId": "e1", "createdAt": 1_735_689_600_000, "event": event}


def test_an_unknown_id_is_a_404(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    response = handler(get("e2"), context)

    assert response["statusCode"] == 404
    assert json.loads(response["body"])["message"]


@pytest.mark.parametrize(
    "message_id",
    ["x" * 2049, "é" * 1025, "x" * 100_000, "\ud800"],
    ids=["2049 bytes", "2050 bytes", "long", "half a character"],
)
def test_an_invalid_id_is_not_looked_up(
    dynamodb: FakeDynamoDb, context: FakeContext, message_id: str
) -> None:
    dynamodb.fails_with = [client_error("ValidationException")]  # DynamoDB's response

    response = handler(get(message_id), context)

    assert response["statusCode"] == 404
    assert json.loads(response["body"])["message"]


def test_the_longest_id_is_looked_up(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    MessageStore(dynamodb, "messages").record(Record("é" * 1024, 1_735_689_600_000, {}))

    assert handler(get("é" * 1024), context)["statusCode"] == 200


def test_an_unavailable_table_is_a_503(dynamodb: FakeDynamoDb, context: FakeContext) -> None:
    dynamodb.fails_with = [client_error("ThrottlingException")]

    assert handler(get("e1"), context)["statusCode"] == 503
