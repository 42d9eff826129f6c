"""Requests to the REST API, and responses to them."""

import base64
import json
from typing import Any

import pytest

from handlers.shared.api import (
    body_text,
    error_response,
    header,
    json_response,
    limit_parameter,
    path_parameter,
    query_parameter,
    response,
)
from handlers.shared.errors import InvalidEventError

REQUEST: dict[str, Any] = {
    "pathParameters": {"id": "a b"},
    "queryStringParameters": {"limit": "5", "empty": ""},
    "headers": {"content-TYPE": "text/plain"},
    "body": "ä",
}


def test_the_parts_of_a_request_are_read() -> None:
    assert path_parameter(REQUEST, "id") == "a b"
    assert query_parameter(REQUEST, "limit", "10") == "5"
    assert query_parameter(REQUEST, "empty", "10") == ""
    assert header(REQUEST, "Content-Type") == "text/plain"
    assert body_text(REQUEST) == "ä"


@pytest.mark.parametrize(
    "request_",
    [{}, dict.fromkeys(REQUEST), {name: {} for name in REQUEST}],
    ids=["nothing", "null", "empty"],
)
def test_missing_parts_of_a_request_are_empty(request_: dict[str, Any]) -> None:
    assert path_parameter(request_, "id") == ""
    assert query_parameter(request_, "limit") == ""
    assert query_parameter(request_, "limit", "10") == "10"
    assert header(request_, "Content-Type") == ""
    assert body_text(request_) == ""


def test_a_base64_body_is_decoded() -> None:
    encoded = base64.b64encode("ä".encode()).decode()

    assert body_text({"body": encoded, "isBase64Encoded": True}) == "ä"


@pytest.mark.parametrize("body", ["%%%", base64.b64encode(b"\xff").decode()])
def test_a_body_that_is_not_utf8_is_refused(body: str) -> None:
    with pytest.raises(InvalidEventError, match="UTF-8"):
        body_text({"body": body, "isBase64Encoded": True})


def test_a_json_response_must_not_be_cached() -> None:
    result = json_response(200, {"text": "ä \ud800"})

    assert result["statusCode"] == 200
    assert result["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert json.loads(result["body"]) == {"text": "ä \ud800"}
    assert result["body"].isascii()


def test_an_error_response_has_a_message() -> None:
    result = error_response(404, "There is no such thing.")

    assert result["statusCode"] == 404
    assert json.loads(result["body"]) == {"message": "There is no such thing."}
    assert "Retry-After" not in result["headers"]


def test_a_503_has_a_retry_after_header() -> None:
    assert error_response(503, "Later.")["headers"]["Retry-After"] == "1"
    assert response(503, {"Content-Type": "text/html"}, "<p>")["headers"]["Retry-After"] == "1"


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("100", 100), (None, 50)])
def test_a_limit_is_a_number_with_a_default(text: str | None, limit: int) -> None:
    assert limit_parameter({"queryStringParameters": {"limit": text}}, 50, 100) == limit


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.5", "", "x", "\u0661", "9" * 5000])
def test_any_other_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventError, match="from 1 to 100"):
        limit_parameter({"queryStringParameters": {"limit": text}}, 50, 100)
