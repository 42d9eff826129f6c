"""Serve `GET /executions/{executionArn}`: the status and result of an execution."""

from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.executions import describe
from handlers.shared.api import Response, error_response, json_response, path_parameter
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for

logger = logger_for("observability")
prepare("stepfunctions")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, path parameter `executionArn`.
    Result: response 200 with the execution (see `describe`), 404 or 503.
    Errors: none of its own; a failure becomes a response.
    """
    # API Gateway may leave a path parameter encoded. Decoding is safe: an ARN has no percent sign.
    try:
        execution = describe(unquote(path_parameter(event, "executionArn")))
    except AwsUnavailableError as error:
        logger.warning("execution not described", reason=str(error))
        return error_response(503, "The execution could not be described. Try again later.")
    if execution is None:
        return error_response(404, "There is no such execution.")
    return json_response(200, execution)
