"""Record a message and complete the task that waits for it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.messages.message import Record
from handlers.messages.store import MessageStore
from handlers.shared import settings
from handlers.shared.clients import client, prepare
from handlers.shared.errors import TransientError
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for
from handlers.shared.task_tokens import Failure, Outcome, Success, send_callback
from handlers.shared.text import shortened

logger = logger_for("messages")
metrics = metrics_for("messages")
prepare("dynamodb", "stepfunctions")

# Characters of the cause in a result with status 500. Together with the largest message it must fit
# into a state's limit of 256 KiB.
MAX_CAUSE = 1_000


@logger.inject_lambda_context(correlation_id_path="Record.messageId")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: {"MyTaskToken", "Record": {"messageId", "createdAt", "event"}}.
    Result: none; it returns the token with the outcome (see `outcome_of`).
    Errors: InvalidEventError without a token, AwsUnavailableError if the token could not be
        returned.
    """
    token = field(event, "MyTaskToken")
    outcome = outcome_of(event)
    if not send_callback(token, outcome):
        logger.warning("the task no longer waits for its token; the outcome was not used")


def outcome_of(event: dict[str, Any]) -> Outcome:
    """Record the message. Every error becomes an outcome; none is raised.

    Success with {"StatusCode": 200, "Payload": {"messageId", "createdAt", "alreadyRecorded"}};
    Success with {"StatusCode": 500, "Payload": {"error", "cause"}} for a permanent error;
    Failure for a transient error, so that the machine retries with a new token.
    """
    try:
        record = Record.from_payload(field(event, "Record"))
        is_new = MessageStore(client("dynamodb"), settings.text("MESSAGES_TABLE")).record(record)
    except TransientError as error:
        logger.warning("message not recorded; the machine retries", reason=str(error))
        return Failure.of(error)
    except Exception as error:
        logger.exception("message not recorded")
        metrics.add_metric("MessagesNotRecorded", "Count", 1)
        failure = {"error": type(error).__name__, "cause": shortened(str(error), MAX_CAUSE)}
        return Success({"StatusCode": 500, "Payload": failure})
    logger.info("message recorded" if is_new else "message was recorded before")
    metrics.add_metric("MessagesRecorded", "Count", int(is_new))
    return Success(
        {
            "StatusCode": 200,
            "Payload": {
                "messageId": record.message_id,
                "createdAt": record.created_at,
                "alreadyRecorded": not is_new,
            },
        }
    )
