"""Report by mail that the readings of a file are stored, but that moving it failed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.file_locations import find_file
from handlers.sensor.reports import move_failure_report, send
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for

logger = logger_for("sensor")
prepare("dynamodb", "s3", "ses")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "startedAt"?, "source", "ingestion", "failure": {"Error", "Cause"}}.
    Result: {"status": "sent", "messageId"} or {"status": "unknown"}.
    Errors: InvalidEventError, AwsUnavailableError, AwsRequestRefusedError if SES refuses it.
    """
    return send(move_failure_report(event, find_file(event)), event)
