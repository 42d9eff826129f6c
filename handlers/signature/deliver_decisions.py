"""Deliver decisions that are stored but that the machine has not confirmed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import now
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature.decision import deliver_all
from handlers.signature.store import RequestStore

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb")

# The function that stored a newer decision may still be delivering it.
GRACE_SECONDS = 60
# One delivery takes up to half a minute if a service does not respond.
RESERVED_MS = 40_000


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Event: not read; EventBridge Scheduler sends it every few minutes.
    Result: {"delivered", "remaining"}, two numbers; the next run delivers the rest.
    Errors: AwsUnavailableError.
    """
    delivered, remaining = deliver_all(
        RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE")),
        before=now() - GRACE_SECONDS,
        has_time=lambda: context.get_remaining_time_in_millis() > RESERVED_MS,
    )
    metrics.add_metric("DecisionsDelivered", "Count", delivered)
    metrics.add_metric("DecisionsUndelivered", "Count", remaining)
    logger.info("decisions delivered", delivered=delivered, remaining=remaining)
    return {"delivered": delivered, "remaining": remaining}
