"""Start an execution for every CSV that is uploaded to the source bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.uploads import start_executions, upload_records
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("sensor")
metrics = metrics_for("sensor")
prepare("stepfunctions")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: S3 notification, {"Records": [{"s3": …}]}.
    Result: {"started": [execution name]}.
    Errors: InvalidEventError, ExecutionNotStartedError.
    """
    started = start_executions(upload_records(event), settings.text("STATE_MACHINE_ARN"))
    metrics.add_metric("FilesStarted", "Count", len(started))
    return {"started": started}
