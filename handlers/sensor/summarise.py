"""Summarise the segments of a file: one result, and one file of rejected rows."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor import summary
from handlers.sensor.plan import Plan
from handlers.shared import settings
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("sensor")
metrics = metrics_for("sensor")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "plan": result of planIngestion}.
    Result: the same fields as that of processFile.
    Errors: InvalidEventError, NoValidReadingsError, AwsUnavailableError.
    """
    plan = Plan.from_event(event)
    ingestion = summary.summarise(plan, settings.text("TARGET_BUCKET"))
    metrics.add_metric("ReadingsStored", "Count", ingestion.stored)
    metrics.add_metric("RowsRejected", "Count", ingestion.rejected)
    logger.info("file stored", source=plan.source.uri, ingestion=ingestion.as_dict())
    return ingestion.as_dict()
