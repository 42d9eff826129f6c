"""Plan how a file is processed: by one function, or in segments."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor import plan
from handlers.sensor.source import ObjectRef
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for

logger = logger_for("sensor")
prepare("s3")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "source": {"bucketName", "objectKey", "versionId"?, "etag"?}}.
    Result: {"segmented": false, "size"}, or for a large file {"segmented": true, "source", "size",
        "segments", "partitions", "bucket", "prefix", "plannedAt", "segmentList", "partitionList"}.
    Errors: InvalidEventError, SourceObjectMissingError, SourceObjectChangedError,
        SourceAccessDeniedError, AwsUnavailableError.
    """
    source = ObjectRef.from_event(event)
    planned = plan.plan_ingestion(
        source,
        execution=field(event, "execution"),
        bucket=settings.text("WORK_BUCKET"),
        large_file_bytes=settings.integer("LARGE_FILE_BYTES", minimum=0),
        segment_bytes=settings.integer("SEGMENT_BYTES", minimum=1),
    )
    logger.info("ingestion planned", source=source.uri, plan=planned)
    return planned
