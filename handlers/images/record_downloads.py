"""Record the downloaded images in the table."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.images.image_table import record
from handlers.images.outcome import is_success
from handlers.images.run import REPORT, Run
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("images")
metrics = metrics_for("images")
prepare("dynamodb", "s3")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution"}.
    Result: {"images": number of recorded images}.
    Errors: InvalidEventError, RunDocumentMissingError, AwsUnavailableError.
    """
    outcomes = Run.of_event(event).load(REPORT)
    recorded = record(settings.text("IMAGES_TABLE"), filter(is_success, outcomes))
    metrics.add_metric("ImagesRecorded", "Count", recorded)
    logger.info("downloads recorded", images=recorded)
    return {"images": recorded}
