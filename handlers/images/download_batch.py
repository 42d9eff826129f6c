"""Download the images of a batch and store them in S3."""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.images.downloads import WORKERS_PER_REQUEST, Downloads
from handlers.images.http_client.connections import resolve_any, resolve_public
from handlers.images.http_client.fetch import Fetcher, Limits
from handlers.images.image_store import ImageStore
from handlers.images.outcome import is_success
from handlers.images.plan import Plan
from handlers.images.run import PLAN, Run, result_name
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("images")
metrics = metrics_for("images")
prepare("s3")

_RESERVE_SECONDS = 60  # to store the last image in S3, with retries, and to write the result


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "batch": batch number}.
    Result: {"results": name of the document with the outcomes, "succeeded", "failed"}.
    Errors: InvalidEventError, RunDocumentMissingError, AwsUnavailableError. A failed
        download is an outcome, not an error.
    """
    run, batch = Run.of_event(event), int(field(event, "batch"))
    plan = Plan.from_document(run.load(PLAN))
    workers = WORKERS_PER_REQUEST * plan.concurrency
    downloads = Downloads(
        fetcher(workers),
        ImageStore(settings.text("IMAGES_BUCKET"), run.name),
        concurrency=plan.concurrency,
        item_seconds=settings.number("ITEM_SECONDS", minimum=0),
        ends_at=_ends_at(context),
        only_missing=not run.mark_begun(f"batch-{batch}"),
    )
    outcomes = downloads.run(plan.urls_of(batch))
    results = run.save(result_name(batch), outcomes)
    succeeded = sum(map(is_success, outcomes))
    metrics.add_metric("ImagesDownloaded", "Count", succeeded)
    metrics.add_metric("DownloadsFailed", "Count", len(outcomes) - succeeded)
    logger.info("batch downloaded", batch=batch, succeeded=succeeded, results=results)
    return {
        "results": result_name(batch),
        "succeeded": succeeded,
        "failed": len(outcomes) - succeeded,
    }


def fetcher(connections: int) -> Fetcher:
    limits = Limits(
        max_bytes=settings.integer("MAX_BYTES", minimum=1),
        read_seconds=settings.number("READ_SECONDS", minimum=0),
    )
    resolve = resolve_any if settings.flag("ALLOW_PRIVATE_HOSTS") else resolve_public
    return Fetcher(resolve, limits, connections=connections)


def _ends_at(context: LambdaContext) -> float:
    remaining = context.get_remaining_time_in_millis() / 1000
    return time.monotonic() + remaining - min(_RESERVE_SECONDS, remaining / 10)
