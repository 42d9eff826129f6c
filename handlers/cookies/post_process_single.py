"""Add the number of cookies that a person ate to their profile."""

import random
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.files import Person, write
from handlers.cookies.profiles import fetch
from handlers.cookies.tasks import finish, task_event
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events", "s3")

MAX_COOKIES = 9


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, detail {"execution", "TaskToken", "n", "name", "profileUrl"}.
    Result: none; it publishes task.finished with {"n", "numberOfCookiesConsumed"}.
    Errors: InvalidEventError, ProfileUnavailableError, AwsUnavailableError, EventsNotPutError.
    """
    received = task_event(event, "n", "name", "profileUrl")
    person = Person.from_detail(received.detail)
    eaten = {"numberOfCookiesConsumed": cookies_eaten_by(person.n, person.name)}
    write(settings.text("BUCKET"), person.final_key, fetch(received.detail["profileUrl"]) | eaten)
    finish(received, {"n": person.n, **eaten}, fn="postProcessSingle")
    metrics.add_metric("PeopleProcessed", "Count", 1)
    logger.info("person processed", n=person.n, key=person.final_key)


def cookies_eaten_by(n: int, name: str) -> int:
    """0 to 9, the same for each delivery of an event: it may be delivered twice."""
    return random.Random(f"cookies/{n}/{name}").randint(0, MAX_COOKIES)
