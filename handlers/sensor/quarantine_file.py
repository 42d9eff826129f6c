"""Quarantine a file that could not be processed: move it to failed/."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.errors import SourceObjectChangedError, SourceObjectMissingError
from handlers.sensor.mover import move_object
from handlers.sensor.source import ObjectRef
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import from_iso
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("sensor")
metrics = metrics_for("sensor")
prepare("s3")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "startedAt", "source": {"bucketName", "objectKey", "versionId"?,
        "etag"?}, "failure"}.
    Result: {"moved": true, "bucketName", "objectKey", "size", "versionId"?} or {"moved": false,
        "reason"}.
    Errors: InvalidEventError, SourceAccessDeniedError, CopyVerificationError, AwsUnavailableError.
    """
    source = ObjectRef.from_event(event)
    started_at = from_iso(field(event, "startedAt"))
    metrics.add_metric("FilesFailed", "Count", 1)
    try:
        moved = move_object(
            source,
            to_bucket=settings.text("TARGET_BUCKET"),
            prefix="failed/",
            started_at=started_at,
        )
    except (SourceObjectMissingError, SourceObjectChangedError) as error:
        logger.info("file not quarantined", source=source.uri, reason=str(error))
        return {"moved": False, "reason": str(error)}
    logger.info("file quarantined", source=source.uri, target=moved.target.uri)
    return {"moved": True} | moved.as_dict()
