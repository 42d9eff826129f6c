"""Store the readings of a segment that no later row of the file replaces."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.plan import Plan
from handlers.sensor.segment_store import Deadline, number_rejected_rows, store_segment
from handlers.sensor.segments import Segment
from handlers.sensor.store import ReadingStore
from handlers.sensor.time_budget import TimeBudget
from handlers.shared import settings
from handlers.shared.observability import logger_for

logger = logger_for("sensor")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "plan": result of planIngestion, "segment": {"number", "start", "end"},
        "progress"?: {"line"}}, the last line that an earlier call processed.
    Result: {"complete": true}, or {"complete": false, "line"}: the last line that was processed.
    Errors: InvalidEventError, SourceObjectMissingError, SourceObjectChangedError,
        SourceAccessDeniedError, IngestionTimeoutError, AwsUnavailableError.
    """
    plan, segment = Plan.from_event(event), Segment.from_event(event)
    deadline = Deadline(context)
    after_line = (event.get("progress") or {}).get("line", 0)
    if not after_line:
        number_rejected_rows(plan.work, segment.number)
    table = settings.text("READINGS_TABLE")
    with ReadingStore(table, TimeBudget(context)) as store:
        line = store_segment(plan, segment, store, deadline, after_line=after_line)
    logger.info("segment processed", segment=segment.as_dict(), after_line=after_line, line=line)
    return {"complete": True} if line is None else {"complete": False, "line": line}
