"""Find the error that failed a segment, which the error of the Map does not contain."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.sensor.map_runs import first_failure
from handlers.shared.clients import prepare
from handlers.shared.events import field
from handlers.shared.observability import logger_for

logger = logger_for("sensor")
prepare("stepfunctions")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"execution", "failure": {"Error", "Cause"}}, the failure of the Map.
    Result: {"Error", "Cause"} of the child execution that failed first; the Map's if there is none.
    Errors: InvalidEventError, AwsUnavailableError.
    """
    failure = first_failure(field(event, "execution")) or field(event, "failure")
    logger.info("segment failed", failure=failure)
    return dict(failure)
