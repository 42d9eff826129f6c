"""Withdraw the request for a signature that is no longer needed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import now
from handlers.shared.events import field
from handlers.shared.observability import logger_for
from handlers.signature.decision import cancel
from handlers.signature.request import SignatureRequest
from handlers.signature.store import RequestStore

logger = logger_for("signature")
prepare("dynamodb")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "requestId", "documentId", "signer", "reason"}.
    Result: {"requestId", "status"}.
    Errors: InvalidEventError, AwsUnavailableError.

    Safe to repeat. A request that has not been sent to the signer yet is never sent.
    """
    at = now()
    request = SignatureRequest(
        request_id=field(event, "requestId"),
        document_id=field(event, "documentId"),
        signer=field(event, "signer"),
        execution=field(event, "execution"),
        requested_at=at,
        expires_at=at,
    )
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    cancelled = cancel(store, request, field(event, "reason"))
    logger.info(
        "signature request cancelled", request_id=request.request_id, status=cancelled.status
    )
    return {"requestId": cancelled.request_id, "status": cancelled.status}
