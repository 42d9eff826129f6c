"""Put a posted message on the common bus."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.messages.errors import MalformedMessageError, MessageTooLargeError
from handlers.messages.message import event_of
from handlers.shared import settings
from handlers.shared.api import Response, body_text, error_response, json_response
from handlers.shared.clients import prepare
from handlers.shared.errors import InvalidEventError, TransientError
from handlers.shared.events import put_events
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("messages")
metrics = metrics_for("messages")
prepare("events")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, body {"message": {…}}.
    Result: response 202 {"messageId": id of the event that carries it}, 400, 413 or 503.
    Errors: none of its own; a failure becomes a response.

    Each 202 stands for exactly one event and one record. A client that posts again after a 503, or
    after no response, may create a second record with another id
    (docs/decisions/0037-one-record-for-each-202.md).
    """
    try:
        message_event = event_of(body_text(event))
        (message_id,) = put_events(settings.text("BUS_NAME"), [message_event], once=True)
    except (InvalidEventError, MalformedMessageError) as error:
        return error_response(400, str(error))
    except MessageTooLargeError as error:
        return error_response(413, str(error))
    except TransientError as error:
        logger.warning("message not published", reason=str(error))
        return error_response(
            503, "It is not known whether the message was accepted. Try again later."
        )
    logger.info("message published", message_id=message_id)
    metrics.add_metric("MessagesPublished", "Count", 1)
    return json_response(202, {"messageId": message_id})
