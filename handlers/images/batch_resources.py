"""Plan a run of downloads: check the request and split it into batches."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.images.plan import Plan
from handlers.images.request import DownloadRequest
from handlers.images.run import PLAN, Run
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("images")
metrics = metrics_for("images")
prepare("s3")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "request": {"baseUrl", "resourcePaths", "lambdaConcur"}}.
    Result: {"requested", "distinct", "batchSize", "batches": [batch number]}.
    Errors: InvalidEventError, InvalidDownloadRequestError, AwsUnavailableError.
    """
    request = DownloadRequest.from_event(field(event, "request"))
    plan = Plan.for_request(request, batch_size=settings.integer("BATCH_SIZE", minimum=1))
    uri = Run.of_event(event).save(PLAN, plan.as_document())
    metrics.add_metric("DownloadsRequested", "Count", len(plan.resource_paths))
    logger.info("run planned", plan=uri, batches=len(plan.batches), size=plan.batch_size)
    return {
        "requested": len(plan.resource_paths),
        "distinct": len(plan.distinct_paths),
        "batchSize": plan.batch_size,
        "batches": list(plan.batches),
    }
