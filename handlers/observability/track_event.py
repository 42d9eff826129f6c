"""Record events in the event log."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.event_log import EventLog
from handlers.observability.event_record import EventRecord, event_record
from handlers.observability.redaction import token_hash
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.errors import InvalidEventError
from handlers.shared.observability import logger_for

logger = logger_for("observability")
prepare("dynamodb")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: SQS, {"Records": [{"messageId", "body", "attributes": {"SentTimestamp"}}]}; a body is
        an event as EventBridge delivers it: {"id", "source", "detail-type", "time", "detail"}.
    Result: {"batchItemFailures": [{"itemIdentifier"}]}, the messages that were not recorded. SQS
        delivers them again, and moves them to the dead-letter queue after the last attempt.
    Errors: AwsUnavailableError, ConfigurationError.
    """
    table = settings.text("EVENT_LOG_TABLE")
    days = settings.integer("EVENT_LOG_DAYS", minimum=1)
    token_key = _token_key(table)
    records: dict[str, EventRecord] = {}
    failed: list[str] = []
    for message in event["Records"]:
        try:
            records[message["messageId"]] = _record_of(message, token_key)
        except InvalidEventError as error:
            logger.error("invalid event", message_id=message["messageId"], reason=str(error))
            failed.append(message["messageId"])
    recorder = EventLog(table)
    unrecorded = {_key(record) for record in recorder.record(records.values(), days=days)}
    failed += [name for name, record in records.items() if _key(record) in unrecorded]
    logger.debug("events recorded", events=len(records), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}


def _record_of(message: Mapping[str, Any], token_key: bytes) -> EventRecord:
    try:
        envelope = json.loads(message["body"])
    except (ValueError, RecursionError) as error:
        raise InvalidEventError(f"The message is not JSON: {error}") from None
    if not isinstance(envelope, Mapping):
        raise InvalidEventError("The message is not an event.")
    return event_record(
        envelope,
        machine_prefix=f"stepworks-{settings.text('STAGE')}-",
        received=int(message["attributes"]["SentTimestamp"]),
        hashed=token_hash(token_key),
    )


def _key(record: EventRecord) -> tuple[str, str]:
    """The key of the record's item in the table."""
    return record.event.job, record.entry


@cache
def _token_key(table: str) -> bytes:
    """The key for the hashes of task tokens, read once per Lambda instance."""
    return EventLog(table).token_key()
