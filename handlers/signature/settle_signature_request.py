"""Store the outcome that the machine reports for a signature request, and make it final."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.events import field
from handlers.shared.observability import logger_for
from handlers.signature.decision import NO_REASON, settle, signature
from handlers.signature.request import Status
from handlers.signature.store import RequestStore

logger = logger_for("signature")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "requestId", "outcome"}.
    Result: {"requestId", "status", "signature"? or "reason"?}.
    Errors: InvalidEventError, AwsUnavailableError.

    At least once. The `status` is NONE if the request was never stored.

    Otherwise `status` is the final one. If the outcome is EXPIRED but the table has a decision that
    was made in time, then `status` is that decision, with its `signature` or `reason`.
    """
    request_id, outcome = field(event, "requestId"), Status(field(event, "outcome"))
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    settled = settle(store, request_id, outcome)
    logger.info(
        "signature request settled",
        request_id=request_id,
        outcome=outcome,
        status=settled.status if settled else None,
    )
    if settled is None:
        return {"requestId": request_id, "status": "NONE"}
    noted = {"requestId": request_id, "status": settled.status.value}
    if settled.status is outcome:
        return noted
    if settled.status is Status.SIGNED:
        return noted | {"signature": signature(settled)}
    return noted | {"reason": settled.reason or NO_REASON}
