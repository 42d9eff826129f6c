"""Add up the cookies and write the report."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.files import report_key, write
from handlers.cookies.report import report_on
from handlers.cookies.tasks import finish, task
from handlers.shared.errors import ConfigurationError
from handlers.shared.observability import logger_for, metrics_for
from handlers.shared.settings import required

logger = logger_for("cookies")
metrics = metrics_for("cookies")


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    detail = task(event, "names", "people")
    bucket, key = required("BUCKET"), report_key(detail["execution"])
    report = report_on(detail, bucket=bucket)
    write(bucket, key, report.as_dict())
    result = {
        "names": report.names,
        "numberOfPeople": len(report.names),
        "totalCookiesConsumed": report.total,
        "numberOfFailed": len(report.failed),
        "tooManyFailed": report.more_failed_than(tolerated_share()),
        "report": {"bucketName": bucket, "objectKey": key},
    }
    finish(event, result, fn="postProcessAll")
    metrics.add_metric("CookiesConsumed", "Count", report.total)
    logger.info("report written", key=key, people=len(report.names), failed=len(report.failed))


def tolerated_share() -> float:
    """How large a share of the people may be missing from a report: 0 to 1."""
    written = required("TOLERATED_FAILURE_SHARE")
    try:
        share = float(written)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"TOLERATED_FAILURE_SHARE is {written!r}: it must be a number from 0 to 1."
        )
    return share
