"""Serve `GET /jobs/{id}`: the events of an execution, and the spans derived from them."""

from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.event_log import EventLog
from handlers.observability.jobs import event_of_token, is_job, page_of
from handlers.shared import settings
from handlers.shared.api import (
    Response,
    error_response,
    json_response,
    limit_parameter,
    path_parameter,
    query_parameter,
)
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from handlers.shared.observability import logger_for

logger = logger_for("observability")
prepare("dynamodb")

DEFAULT_LIMIT, MAX_LIMIT = 200, 1000


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, path parameter `id`, query `limit`?, `nextToken`?.
    Result: response 200 with the job, its events and spans (see `page_of`), "nextToken" if there
        are more events; 400, 404 or 503.
    Errors: none of its own; a failure becomes a response.
    """
    # API Gateway may leave a path parameter encoded. The name of an execution has no percent sign.
    identifier = unquote(path_parameter(event, "id"))
    try:
        limit = limit_parameter(event, DEFAULT_LIMIT, MAX_LIMIT)
        token = query_parameter(event, "nextToken")
        after = event_of_token(token) if token else None
        log = EventLog(settings.text("EVENT_LOG_TABLE"))
        job = log.job(identifier) if is_job(identifier) else None
        if job is None:
            return error_response(404, "The event log has no such job, or not any more.")
        return json_response(200, page_of(job, limit, after))
    except InvalidEventError as error:
        return error_response(400, str(error))
    except AwsUnavailableError as error:
        logger.warning("job not read", reason=str(error))
        return error_response(503, "The job could not be read. Try again later.")
