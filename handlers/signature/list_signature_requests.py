"""List signature requests by their status, page by page."""

import base64
import json
import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.api import (
    Response,
    error_response,
    json_response,
    limit_parameter,
    query_parameter,
)
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from handlers.shared.observability import logger_for
from handlers.signature.request import Status
from handlers.signature.store import Key, RequestStore

logger = logger_for("signature")
prepare("dynamodb")

DEFAULT_LIMIT, MAX_LIMIT = 50, 100
# A key of the index byStatus: its attributes, their types and patterns.
_KEY = {
    "requestId": ("S", re.compile(r"[0-9A-Za-z-]{1,64}")),
    "status": ("S", re.compile(r"[A-Z]{1,16}")),
    "requestedAt": ("N", re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")),
}


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, query `status`?, `limit`?, `nextToken`?.
    Result: response 200 {"requests": newest first, "nextToken"? if there may be more}, 400 or 503.
    Errors: none of its own; a failure becomes a response.
    """
    try:
        status = _status(query_parameter(event, "status", "pending"))
        limit = limit_parameter(event, DEFAULT_LIMIT, MAX_LIMIT)
        start = _start_key(query_parameter(event, "nextToken"), status)
        found = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE")).with_status(
            status, limit, start
        )
    except InvalidEventError as error:
        return error_response(400, str(error))
    except AwsUnavailableError:
        logger.exception("requests not listed")
        return error_response(503, "The requests could not be listed. Try again later.")
    listed: dict[str, Any] = {"requests": [request.public() for request in found.requests]}
    if found.next_key:
        listed["nextToken"] = base64.urlsafe_b64encode(json.dumps(found.next_key).encode()).decode()
    return json_response(200, listed)


def _status(text: str) -> Status:
    try:
        return Status(text.upper())
    except ValueError:
        choices = ", ".join(status.lower() for status in Status)
        raise InvalidEventError(f"status must be one of {choices}.") from None


def _start_key(token: str, status: Status) -> Key | None:
    """The index key at which the page starts, from the `nextToken` of an earlier response."""
    if not token:
        return None
    try:
        key = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        values = {name: str(key[name][kind]) for name, (kind, _) in _KEY.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        values = {}
    is_valid = values.get("status") == status and all(
        pattern.fullmatch(values[name]) for name, (_, pattern) in _KEY.items()
    )
    if not is_valid:
        raise InvalidEventError("nextToken must come from an earlier response for the same status.")
    return {name: {kind: values[name]} for name, (kind, _) in _KEY.items()}
