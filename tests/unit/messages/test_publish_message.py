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


def test_a_message_is_put_on_the_bus_and_known_by_the_events_id(
    eventbridge: FakeEventBridge, context: FakeContext
) -> None:
    answer = handler(post({"message": MESSAGE}), context)

    (entry,) = eventbridge.entries
    assert entry["EventBusName"] == "commonbus"
    assert (entry["Source"], entry["DetailType"]) == ("com.devpost.commonevent", "message")
    assert json.loads(json.loads(entry["Detail"])["message"]) == MESSAGE
    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"messageId": "e1"})
    assert answer["headers"]["Content-Type"] == "application/json"


def test_a_body_may_come_in_base64(eventbridge: FakeEventBridge, context: FakeContext) -> None:
    encoded = base64.b64encode(json.dumps({"message": MESSAGE}).encode()).decode()

    answer = handler(post(encoded, isBase64Encoded=True), context)

    assert answer["statusCode"] == 202


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
    ids=["none", "empty", "half", "no object", "no base64", "no UTF-8", "NaN", "too deep"],
)
def test_a_bad_request_is_told_why(
    eventbridge: FakeEventBridge, context: FakeContext, request_: dict[str, Any]
) -> None:
    answer = handler(request_, context)

    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["message"]
    assert not eventbridge.entries


@pytest.mark.parametrize(
    "message",
    [{"a": "x" * MAX_MESSAGE}, {"a": ["" for _ in range(60_000)]}],
    ids=["too long", "too many quotes"],
)
def test_what_is_too_large_is_told_so(
    eventbridge: FakeEventBridge, context: FakeContext, message: dict[str, Any]
) -> None:
    answer = handler(post({"message": message}), context)

    assert answer["statusCode"] == 413
    assert "bytes" in json.loads(answer["body"])["message"]
    assert not eventbridge.entries


def test_an_event_that_the_bus_refuses_is_not_promised(
    eventbridge: FakeEventBridge, context: FakeContext
) -> None:
    eventbridge.refuses = True

    answer = handler(post({"message": MESSAGE}), context)

    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "1")


def test_the_message_is_not_logged(
    eventbridge: FakeEventBridge, context: FakeContext, logged: StringIO
) -> None:
    handler(post({"message": MESSAGE}), context)

    lines = logged.getvalue()
    assert "e1" in lines
    assert "s3cret" not in lines
