"""Find the readings of one partition of the keys that a later row of the file replaces."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor import duplicates
from handlers.sensor.plan import Plan
from handlers.shared.events import field
from handlers.shared.observability import logger_for

logger = logger_for("sensor")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "plan": result of planIngestion, "partition": {"number"}}.
    Result: {}; the findings are in the work area.
    Errors: InvalidEventError, AwsUnavailableError.
    """
    partition = field(field(event, "partition"), "number")
    duplicates.reconcile_partition(Plan.from_event(event), partition)
    logger.info("partition reconciled", partition=partition)
    return {}
