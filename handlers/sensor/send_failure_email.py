"""Report by mail that a file could not be processed, and why."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.file_locations import find_file
from handlers.sensor.reports import failure_report, send
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for

logger = logger_for("sensor")
prepare("dynamodb", "s3", "ses")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "startedAt"?, "source", "failure": {"Error", "Cause"}, "quarantine"}.
    Result: {"status": "sent", "messageId"} or {"status": "unknown"}.
    Errors: InvalidEventError, AwsUnavailableError, AwsRequestRefusedError if SES refuses it.
    """
    return send(failure_report(event, find_file(event)), event)
