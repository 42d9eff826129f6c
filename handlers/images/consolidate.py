"""Combine the results of all batches into one report."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.images import report
from handlers.images.plan import Plan
from handlers.images.run import PLAN, REPORT, Run
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for

logger = logger_for("images")
prepare("s3")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "batches": [{"results"} or {"error"}]}.
    Result: {"requested", "downloaded", "failed", "report": URI, "messages": [text]}.
    Errors: InvalidEventError, RunDocumentMissingError, AwsUnavailableError.
    """
    run = Run.of_event(event)
    plan = Plan.from_document(run.load(PLAN))
    outcomes = report.consolidate(run, plan, field(event, "batches"))
    summary = report.summary(outcomes, run.save(REPORT, outcomes))
    logger.info("run consolidated", **{k: v for k, v in summary.items() if k != "messages"})
    return summary
