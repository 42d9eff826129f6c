"""Store the readings of a file."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.ingest import ingest
from handlers.sensor.source import ObjectRef
from handlers.sensor.time_budget import TimeBudget
from handlers.shared import settings
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("sensor")
metrics = metrics_for("sensor")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "source": {"bucketName", "objectKey", "versionId"?, "etag"?}}.
    Result: {"stored", "duplicates", "rejected", "sensors", "firstTimestamp", "lastTimestamp",
        "seconds", "etag", "rejectedKey"?, "versionId"?}.
    Errors: InvalidEventError, SourceObjectMissingError, SourceObjectChangedError,
        SourceAccessDeniedError, NoValidReadingsError, IngestionTimeoutError, AwsUnavailableError.
    """
    source = ObjectRef.from_event(event)
    ingestion = ingest(
        source,
        table=settings.text("READINGS_TABLE"),
        target_bucket=settings.text("TARGET_BUCKET"),
        time_budget=TimeBudget(context),
    )
    metrics.add_metric("ReadingsStored", "Count", ingestion.stored)
    metrics.add_metric("RowsRejected", "Count", ingestion.rejected)
    logger.info("file stored", source=source.uri, ingestion=ingestion.as_dict())
    return ingestion.as_dict()
