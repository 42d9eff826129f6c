"""Add up the cookies and write the report."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.files import report_key, write
from handlers.cookies.report import make_report
from handlers.cookies.tasks import finish, task_event
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events", "s3")


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, detail {"execution", "TaskToken", "names", "people", "failure"?}.
    Result: none; it publishes task.finished with {"names", "numberOfPeople",
        "totalCookiesConsumed", "numberOfFailed", "tooManyFailed", "report"}.
    Errors: InvalidEventError, ResultMissingError, AwsUnavailableError, EventsNotPutError.
    """
    received = task_event(event, "names", "people")
    detail = received.detail
    bucket, key = settings.text("BUCKET"), report_key(detail["execution"])
    report = make_report(detail, bucket=bucket)
    # The share of people that may be missing from a report.
    tolerated = settings.number("TOLERATED_FAILURE_SHARE", minimum=0, maximum=1)
    write(bucket, key, report.as_dict())
    result = {
        "names": report.names,
        "numberOfPeople": len(report.names),
        "totalCookiesConsumed": report.total,
        "numberOfFailed": len(report.failed),
        "tooManyFailed": report.more_failed_than(tolerated),
        "report": {"bucketName": bucket, "objectKey": key},
    }
    finish(received, result, fn="postProcessAll")
    metrics.add_metric("CookiesConsumed", "Count", report.total)
    logger.info("report written", key=key, people=len(report.names), failed=len(report.failed))
