"""Store the outcome that the machine reports for a signature request, and make it final."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for
from handlers.signature.decision import NO_REASON, finalize, signature
from handlers.signature.request import Status
from handlers.signature.store import RequestStore

logger = logger_for("signature")
prepare("dynamodb")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "requestId", "outcome"}, the outcome as a status.
    Result: {"requestId", "status", "signature"? or "reason"?}.
    Errors: InvalidEventError, AwsUnavailableError.

    Safe to repeat. The `status` is NONE if the request was never stored. Otherwise it is the final
    status, which is usually `outcome`. But if the outcome is EXPIRED or CANCELLED and the table has
    a decision that was made in time, the decision counts: `status` is SIGNED with a `signature`, or
    DECLINED with a `reason`.
    """
    request_id, outcome = field(event, "requestId"), Status(field(event, "outcome"))
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    finalized = finalize(store, request_id, outcome)
    logger.info(
        "signature request finalized",
        request_id=request_id,
        outcome=outcome,
        status=finalized.status if finalized else None,
    )
    if finalized is None:
        return {"requestId": request_id, "status": "NONE"}
    result = {"requestId": request_id, "status": finalized.status.value}
    if finalized.status is outcome:
        return result
    if finalized.status is Status.SIGNED:
        return result | {"signature": signature(finalized)}
    return result | {"reason": finalized.reason or NO_REASON}
