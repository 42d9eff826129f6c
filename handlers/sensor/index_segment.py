"""Index the readings of a segment, so that duplicates are known before anything is stored."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor import segment_index
from handlers.sensor.plan import Plan
from handlers.sensor.segments import Segment
from handlers.shared.observability import logger_for

logger = logger_for("sensor")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "plan": result of planIngestion, "segment": {"number", "start", "end"}}.
    Result: {}; the findings are in the work area.
    Errors: InvalidEventError, SourceObjectMissingError, SourceObjectChangedError,
        SourceAccessDeniedError, AwsUnavailableError.
    """
    segment = Segment.from_event(event)
    counts = segment_index.index_segment(Plan.from_event(event), segment)
    logger.info("segment indexed", segment=segment.as_dict(), counts=counts)
    return {}
