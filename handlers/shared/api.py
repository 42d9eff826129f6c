"""Requests to the REST API and responses to them, as Lambda proxy integration events.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from handlers.shared.errors import InvalidEventError

RETRY_AFTER_SECONDS = 1
_LIMIT = re.compile(r"[0-9]{1,10}")  # int() refuses more than 4,300 digits

Response = dict[str, Any]


def path_parameter(request: Mapping[str, Any], name: str) -> str:
    """A path parameter as API Gateway passes it on; empty if it is missing."""
    return (request.get("pathParameters") or {}).get(name) or ""


def query_parameter(request: Mapping[str, Any], name: str, default: str = "") -> str:
    """A query parameter; `default` if it is missing."""
    value = (request.get("queryStringParameters") or {}).get(name)
    return default if value is None else value


def limit_parameter(request: Mapping[str, Any], default: int, maximum: int) -> int:
    """The query parameter `limit`. Raises InvalidEventError if it is not from 1 to `maximum`."""
    text = query_parameter(request, "limit", str(default))
    limit = int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= maximum:
        raise InvalidEventError(f"limit must be a whole number from 1 to {maximum}.")
    return limit


def header(request: Mapping[str, Any], name: str) -> str:
    """A header; its name is case-insensitive. Empty if it is missing."""
    headers = {key.lower(): value for key, value in (request.get("headers") or {}).items()}
    return headers.get(name.lower()) or ""


def body_text(request: Mapping[str, Any]) -> str:
    """The request's body. Raises InvalidEventError if it is not UTF-8."""
    body = request.get("body") or ""
    if not request.get("isBase64Encoded"):
        return str(body)
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidEventError("The body is not UTF-8.") from None


def json_response(status: int, body: Mapping[str, Any]) -> Response:
    """A response with a JSON object. It is ASCII, because a lone surrogate has no UTF-8 form."""
    return response(status, {"Content-Type": "application/json"}, json.dumps(body))


def error_response(status: int, message: str) -> Response:
    """An error response in the form that API Gateway itself uses."""
    return json_response(status, {"message": message})


def response(status: int, headers: Mapping[str, str], body: str) -> Response:
    """A response that must not be cached. A 503 says when to send the request again."""
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return {
        "statusCode": status,
        "headers": {**headers, "Cache-Control": "no-store", **retry},
        "body": body,
    }
