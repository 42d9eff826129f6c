"""Move a processed file out of the source bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.mover import move_object
from handlers.sensor.source import ObjectRef
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("sensor")
metrics = metrics_for("sensor")
prepare("s3")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "source": {"bucketName", "objectKey", "versionId"?, "etag"?},
        "ingestion": {"etag", "versionId"?, …}}.
    Result: {"bucketName", "objectKey", "size", "versionId"?} of the moved file.
    Errors: InvalidEventError, SourceObjectMissingError, SourceObjectChangedError,
        SourceAccessDeniedError, CopyVerificationError, AwsUnavailableError.
    """
    source = ObjectRef.from_event(event).pinned_by(field(event, "ingestion"))
    moved = move_object(source, to_bucket=settings.text("TARGET_BUCKET"), prefix="processed/")
    metrics.add_metric("FilesProcessed", "Count", 1)
    logger.info("file moved", source=source.uri, target=moved.target.uri)
    return moved.as_dict()
