"""Publish `task.failed` for a task whose function has used all its attempts.

SQS invokes this function with messages from the failure destination of the other functions. If it
fails, SQS delivers the whole batch again; a task.failed that is published twice changes nothing.
Messages that name no task go to the dead-letter queue unchanged.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.failures import task_failed
from handlers.cookies.tasks import publish
from handlers.shared import settings
from handlers.shared.clients import client, prepare
from handlers.shared.errors import InvalidEventError, translate_aws_errors
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: SQS, {"Records": [{"messageId", "body"}]}; a body is a failure record of Lambda.
    Result: none; it publishes task.failed with {"error", "cause"} for each record.
    Errors: AwsUnavailableError, EventsNotPutError.
    """
    failures, without_task = [], []
    for record in event["Records"]:
        try:
            failures.append(task_failed(record["body"]))
        except InvalidEventError as error:
            logger.error("no task to fail", reason=str(error), message_id=record["messageId"])
            without_task.append(record["body"])
    publish(*failures)
    for body in without_task:
        with translate_aws_errors("sending to the dead-letter queue"):
            client("sqs").send_message(
                QueueUrl=settings.text("DEAD_LETTER_QUEUE_URL"), MessageBody=body
            )
    metrics.add_metric("TasksFailed", "Count", len(failures))
    for failure in failures:
        logger.warning(
            "task failed", execution=failure.detail["execution"], error=failure.detail["error"]
        )
