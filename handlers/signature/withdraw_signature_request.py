"""Withdraw the request of an execution that ended before it received the signer's decision."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.errors import InvalidEventError
from handlers.shared.events import ReceivedEvent, field
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature.decision import withdraw
from handlers.signature.request import request_id_of
from handlers.signature.store import RequestStore

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb")

# The signer's page shows these.
REASONS = {
    "ABORTED": "The signing of this document was stopped",
    "TIMED_OUT": "The time for all signatures of this document is over",
    "FAILED": "The signing of this document has failed",
}


@logger.inject_lambda_context(correlation_id_path="detail.executionArn")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: EventBridge, detail {"executionArn", "status", …} of an execution that has ended.
    Result: {"requestId", "withdrawn"}.
    Errors: InvalidEventError, AwsUnavailableError.

    EventBridge delivers "Step Functions Execution Status Change" at least once. A repeated event
    changes nothing.

    `withdrawn` is false if the machine recorded the outcome of the request before it ended, or if
    the decision is delivered.
    """
    detail = ReceivedEvent(event).detail
    execution, status = field(detail, "executionArn"), field(detail, "status")
    if status not in REASONS:
        raise InvalidEventError(
            f"The execution's status is {status}, but a request is withdrawn only if it is one of "
            f"{', '.join(REASONS)}."
        )
    request_id = request_id_of(execution)
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    withdrawn = withdraw(store, request_id, execution, REASONS[status])
    metrics.add_metric("SignaturesWithdrawn", "Count", int(withdrawn))
    logger.info("execution has ended", request_id=request_id, withdrawn=withdrawn)
    return {"requestId": request_id, "withdrawn": withdrawn}
