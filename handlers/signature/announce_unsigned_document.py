"""Tell a document's owner that it was not signed, and why."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature.announcement import announce

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb", "ses")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "documentId", "gathered": {name: {"signer", "outcome", "summary"}}}.
    Result: {"status": "sent", "messageId"} or {"status": "unknown"}.
    Errors: InvalidEventError, AwsUnavailableError, SES's own if it refuses the mail.
    """
    outcome = announce(event)
    metrics.add_metric("DocumentsNotSigned", "Count", 1)
    logger.info("mail to the document's owner", outcome=outcome)
    return outcome
