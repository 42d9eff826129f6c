"""Store a person's profile."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.cookies.files import Person, presigned_get, write
from handlers.cookies.people import profile_of
from handlers.cookies.tasks import publish, reply, task_event
from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.observability import logger_for, metrics_for

logger = logger_for("cookies")
metrics = metrics_for("cookies")
prepare("events", "s3")


@logger.inject_lambda_context(correlation_id_path="detail.execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Event: EventBridge, detail {"execution", "TaskToken", "n", "name"}.
    Result: none; it publishes task.process.single.post with {"n", "name", "profileUrl"}.
    Errors: InvalidEventError, AwsUnavailableError, EventsNotPutError.
    """
    received = task_event(event, "n", "name")
    person = Person.from_detail(received.detail)
    bucket = settings.text("BUCKET")
    write(bucket, person.basic_key, profile_of(person.n, person.name))
    stored = {
        "n": person.n,
        "name": person.name,
        "profileUrl": presigned_get(bucket, person.basic_key),
    }
    publish(reply(received, "task.process.single.post", stored, fn="processSingle"))
    metrics.add_metric("ProfilesStored", "Count", 1)
    logger.info("profile stored", n=person.n, key=person.basic_key)
