"""Return the record of a message."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.messages.message import MAX_ID, is_message_id
from handlers.messages.store import MessageStore
from handlers.shared import settings
from handlers.shared.api import Response, error_response, json_response, path_parameter
from handlers.shared.clients import client, prepare
from handlers.shared.errors import TransientError
from handlers.shared.observability import logger_for

logger = logger_for("messages")
prepare("dynamodb")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, path parameter `messageId`.
    Result: response 200 {"messageId", "createdAt", "event", "receivedAt"}, 404 if the message is
        not recorded (yet), or 503.
    Errors: none of its own; a failure becomes a response.
    """
    message_id = path_parameter(event, "messageId")
    if not is_message_id(message_id):
        return error_response(404, f"The id must have 1 to {MAX_ID} bytes of UTF-8.")
    try:
        found = MessageStore(client("dynamodb"), settings.text("MESSAGES_TABLE")).find(message_id)
    except TransientError as error:
        logger.warning("record not read", reason=str(error))
        return error_response(503, "The record could not be read. Try again later.")
    if found is None:
        return error_response(404, "No message with this id is recorded (yet).")
    return json_response(200, found)
