"""Record an event in the event log."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.event_log import EventLog
from handlers.observability.event_record import event_record
from handlers.observability.redaction import token_hash
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import milliseconds, now
from handlers.shared.observability import logger_for

logger = logger_for("observability")
prepare("dynamodb")

_DAY = 24 * 3600


@logger.inject_lambda_context(correlation_id_path="id")
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, any event of this service; reads id, source, detail-type, time, detail.
    Result: none.
    Errors: InvalidEventError, AwsUnavailableError, ConfigurationError.
    """
    table = settings.text("EVENT_LOG_TABLE")
    received = now()
    record = event_record(
        event,
        machines=f"stepworks-{settings.text('STAGE')}-",
        received=milliseconds(received),
        hashed=token_hash(_token_key(table)),
    )
    days = settings.integer("EVENT_LOG_DAYS", minimum=1)
    EventLog(table).record(record, expiration=round(received) + days * _DAY)
    logger.debug("event recorded", job=record.event.job, detail_type=record.event.detail_type)


@cache
def _token_key(table: str) -> bytes:
    """Read once for each instance of the function."""
    return EventLog(table).token_key()
