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
    """Event: {"execution", "source", "ingestion", "moved"}, with the results of earlier states.
    Result: {"status": "sent", "messageId"}.
    Errors: InvalidEventError, EmailOutcomeUnknownError, AwsUnavailableError,
        AwsRequestRefusedError if SES refuses it.

    The mail is sent at most once: if an attempt ended without a response from SES, this raises
    EmailOutcomeUnknownError and sends no second mail.
    """
    outcome = send(processed_report(event), event)
    if outcome["status"] != "sent":
        raise EmailOutcomeUnknownError
    return outcome
