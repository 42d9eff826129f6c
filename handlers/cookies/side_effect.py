"""Do slow work that no task waits for, and publish an event at its end."""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.tasks import notification, publish, reply
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events")


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, detail {"execution", "n"}.
    Result: none; it publishes async.complete with {"n"}.
    Errors: InvalidEventError, AwsUnavailableError, EventsNotPutError.
    """
    received = notification(event, "n")
    n = received.detail["n"]
    # Stands for slow work.
    time.sleep(settings.number("SIDE_EFFECT_SECONDS", minimum=0))
    done = reply(received, "async.complete", {"n": n}, fn="sideEffect", omit=["TaskToken"])
    publish(done)
    metrics.add_metric("SideEffects", "Count", 1)
    logger.info("side effect done", n=n)
