"""List the people whose cookies are counted."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.people import names_for
from handlers.cookies.tasks import finish, task_event
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events")


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, detail {"execution", "TaskToken", "input"}.
    Result: none; it publishes task.finished with {"names"}.
    Errors: InvalidEventError, InvalidRequestError, TooManyNamesError, AwsUnavailableError,
        EventsNotPutError.
    """
    received = task_event(event, "input")
    detail = received.detail
    names = names_for(detail["input"], execution=detail["execution"])
    finish(received, {"names": names}, fn="getMultiple")
    metrics.add_metric("PeopleListed", "Count", len(names))
    logger.info("people listed", count=len(names))
