"""Report a processed file by mail."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.errors import EmailOutcomeUnknownError
from handlers.sensor.reports import processed_report, send
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for

logger = logger_for("sensor")
prepare("dynamodb", "ses")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "source", "ingestion", "moved"}, results of the earlier states.
    Result: {"status": "sent", "messageId"}.
    Errors: InvalidEventError, EmailOutcomeUnknownError, AwsUnavailableError, SES's own error if
        it refuses the mail.

    Sent at most once: EmailOutcomeUnknownError if an attempt ended without a response from SES.
    """
    outcome = send(processed_report(event), event)
    if outcome["status"] != "sent":
        raise EmailOutcomeUnknownError
    return outcome
