"""Serve `GET /jobs`: executions by workflow and status, newest first."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.event_log import EXECUTION_STATUSES, EventLog
from handlers.observability.jobs import (
    moment_of,
    moment_of_token,
    status_of,
    summary_dict,
    token_of,
    workflow_of,
)
from handlers.shared import settings
from handlers.shared.api import (
    Response,
    error_response,
    json_response,
    limit_parameter,
    query_parameter,
)
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from handlers.shared.observability import logger_for

logger = logger_for("observability")
prepare("dynamodb")

DEFAULT_LIMIT, MAX_LIMIT = 50, 100


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, query `workflow`?, `status`?, `before`?, `limit`?, `nextToken`?.
    Result: response 200 {"jobs": see `summary_dict`, those with the newest event first,
        "nextToken"? if there may be more}, 400 or 503. Times are milliseconds since 1970, except
        `latest`, the time of a job's newest event, which is ISO 8601.
    Errors: none of its own; a failure becomes a response.
    """
    try:
        status = query_parameter(event, "status")
        workflow = query_parameter(event, "workflow")
        before = query_parameter(event, "before")
        token = query_parameter(event, "nextToken")
        moments = [moment_of(before)] if before else []
        moments += [moment_of_token(token)] if token else []
        found = EventLog(settings.text("EVENT_LOG_TABLE")).jobs(
            [status_of(status)] if status else EXECUTION_STATUSES,
            workflow_of(workflow) if workflow else None,
            min(moments, default=None),
            limit_parameter(event, DEFAULT_LIMIT, MAX_LIMIT),
        )
    except InvalidEventError as error:
        return error_response(400, str(error))
    except AwsUnavailableError as error:
        logger.warning("jobs not listed", reason=str(error))
        return error_response(503, "The jobs could not be listed. Try again later.")
    body: dict[str, Any] = {"jobs": [summary_dict(summary) for summary in found.summaries]}
    if found.more_before:
        body["nextToken"] = token_of(found.more_before)
    return json_response(200, body)
