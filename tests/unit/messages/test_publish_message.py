"""Posting a message."""

import base64
import json
from io import StringIO
from typing import Any

import pytest

from handlers.messages.message import MAX_MESSAGE
from handlers.messages.publish_message import handler
from tests.unit.fakes import FakeContext
from tests.unit.messages.fakes import FakeEventBridge

MESSAGE = {"ä": '"🙂"', "secret": "s3cret"}


def post(body: Any, **request: Any) -> dict[str, Any]:
    text = body if isinstance(body, str | None) else json.dumps(body, ensure_ascii=False)
    return {"body": text, "requestContext": {"requestId": "r1"}, **request}


def test_a_message_is_put_on_the_bus_and_its_event_id_is_returned(
    eventbridge: FakeEventBridge, context: FakeContext
) -> None:
    response = handler(post({"message": MESSAGE}), context)

    (entry,) = eventbridge.entries
    assert entry["EventBusName"] == "commonbus"
    assert (entry["Source"], entry["DetailType"]) == ("com.devpost.commonevent", "message")
    assert json.loads(json.loads(entry["Detail"])["message"]) == MESSAGE
    assert (response["statusCode"], json.loads(response["body"])) == (202, {"messageId": "e1"})
    assert response["headers"]["Content-Type"] == "application/json"


def test_a_body_may_come_in_base64(eventbridge: FakeEventBridge, context: FakeContext) -> None:
    encoded = base64.b64encode(json.dumps({"message": MESSAGE}).encode()).decode()

    response = handler(post(encoded, isBase64Encoded=True), context)

    assert response["statusCode"] == 202


@pytest.mark.parametrize(
    "request_",
    [
        post(None),
        post(""),
        post("{"),
        post({"message": "text"}),
        post("%%%", isBase64Encoded=True),
        post(base64.b64encode(b"\xff").decode(), isBase64Encoded=True),
        post('{"message": {"a": NaN}}'),
        post("[" * 100_000),
    ],
    ids=["none", "empty", "incomplete", "no object", "no base64", "no UTF-8", "NaN", "too deep"],
)
def test_an_invalid_request_gets_the_reason(
    eventbridge: FakeEventBridge, context: FakeContext, request_: dict[str, Any]
) -> None:
    response = handler(request_, context)

    assert response["statusCode"] == 400
    assert json.loads(response["body"])["message"]
    assert not eventbridge.entries


@pytest.mark.parametrize(
    "message",
    [{"a": "x" * MAX_MESSAGE}, {"a": ["" for _ in range(60_000)]}],
    ids=["too long", "too many quotes"],
)
def test_a_message_that_is_too_large_is_a_413(
    eventbridge: FakeEventBridge, context: FakeContext, message: dict[str, Any]
) -> None:
    response = handler(post({"message": message}), context)

    assert response["statusCode"] == 413
    assert "bytes" in json.loads(response["body"])["message"]
    assert not eventbridge.entries


def test_an_event_that_the_bus_refuses_is_a_503(
    eventbridge: FakeEventBridge, context: FakeContext
) -> None:
    eventbridge.refuses = True

    response = handler(post({"message": MESSAGE}), context)

    assert (response["statusCode"], response["headers"]["Retry-After"]) == (503, "1")


def test_the_message_is_not_logged(
    eventbridge: FakeEventBridge, context: FakeContext, logged: StringIO
) -> None:
    handler(post({"message": MESSAGE}), context)

    lines = logged.getvalue()
    assert "e1" in lines
    assert "s3cret" not in lines
