"""What functions behind the REST API (Lambda proxy integration) read and answer."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from handlers.shared.errors import InvalidEventError

Answer = dict[str, Any]


def body_text(request: Mapping[str, Any]) -> str:
    """The request's body; InvalidEventError if it is not UTF-8."""
    body = request.get("body") or ""
    if not request.get("isBase64Encoded"):
        return str(body)
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidEventError("The body is not UTF-8.") from None


def answer(status: int, body: Mapping[str, Any], **headers: str) -> Answer:
    """A JSON answer."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **headers},
        "body": json.dumps(body, ensure_ascii=False),
    }


def refusal(status: int, message: str) -> Answer:
    """An answer that says, in the form API Gateway itself uses, why there is no other."""
    return answer(status, {"message": message})


def unavailable(message: str) -> Answer:
    """503: the same request may succeed in a second."""
    return answer(503, {"message": message}, **{"Retry-After": "1"})
