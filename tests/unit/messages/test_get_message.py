"""Reading a record."""

import json
from typing import Any

from handlers.messages.get_message import handler
from handlers.messages.message import Record
from handlers.messages.store import MessageStore
from tests.unit.fakes import FakeContext, answer
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


def test_a_table_that_does_not_answer_is_a_503(
    dynamodb: FakeDynamoDb, context: FakeContext
) -> None:
    dynamodb.fails_with = [answer("ThrottlingException")]

    assert handler(get("e1"), context)["statusCode"] == 503
