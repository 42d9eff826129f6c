"""Refuse an event whose message the machine cannot parse."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.messages.message import check
from handlers.shared.events import field
from handlers.shared.observability import logger_for

logger = logger_for("messages")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "event": the EventBridge event}.
    Result: {"messageId"}.
    Errors: InvalidEventError, MalformedMessageError.
    """
    message_id = check(field(event, "event"))
    logger.info("message is well formed", message_id=message_id)
    return {"messageId": message_id}
