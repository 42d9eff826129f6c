"""Remind a signer who has not decided yet."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import now
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature.codes import hash_of, new_code
from handlers.signature.decision import deliver
from handlers.signature.invitation import remind
from handlers.signature.store import RequestStore

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb", "ses")


@logger.inject_lambda_context(correlation_id_path="requestId")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"requestId"}.
    Result: {"reminded", "delivered"?}.
    Errors: InvalidEventError, AwsUnavailableError, AwsRequestRefusedError if SES refuses it.

    The schedule may call this more than once, but the mail is sent at most once. If there is an
    undelivered decision, it is delivered instead, and no mail is sent.

    The reminder's link has a new code, because only the hash of the first one is stored. Both codes
    work.
    """
    store, code = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE")), new_code()
    request = store.get(field(event, "requestId"))
    if request and request.is_undelivered:
        delivered = not deliver(store, request).is_undelivered
        logger.info("no reminder, because there is a decision to deliver", delivered=delivered)
        return {"reminded": False, "delivered": delivered}
    if request and request.is_pending(now()):
        request = store.add_code(request.request_id, hash_of(code))
    if request is None or not request.is_pending(now()):
        logger.info("no reminder, because no decision is pending")
        return {"reminded": False}
    mail = remind(request, code)
    reminded = mail["status"] == "sent"
    metrics.add_metric("SignersReminded", "Count", int(reminded))
    logger.info("reminder processed", execution=request.execution, mail=mail["status"])
    return {"reminded": reminded}
