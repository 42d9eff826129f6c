"""Measure how long the tasks of each machine have waited for their callbacks."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from handlers.observability.callbacks import oldest_callback
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import now
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for, measure

logger = logger_for("observability")
prepare("stepfunctions")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, float]:
    """Event: not read; EventBridge Scheduler sends it every few minutes.
    Result: {<machine's name>: seconds}, how long its oldest waiting task has waited, 0 if none
        waits. The metric OldestCallbackSeconds, by stage and machine, has the same values.
    Errors: AwsUnavailableError, AwsRequestRefusedError if Step Functions refuses a request. It is
        raised at the end, so that an error for one machine does not stop the others.
    """
    measured: dict[str, float] = {}
    failures = []
    for machine in settings.text("CALLBACK_MACHINES").split():
        name = machine.rpartition(":")[2]
        try:
            seconds = oldest_callback(machine, now=now())
        except (AwsUnavailableError, ClientError) as error:
            failures.append(error)
            logger.warning("callbacks not measured", machine=name, reason=str(error))
            continue
        measure("OldestCallbackSeconds", "Seconds", seconds, machine=name)
        measured[name] = round(seconds, 3)
    logger.info("callbacks measured", oldest=measured)
    if failures:
        raise failures[0]
    return measured
