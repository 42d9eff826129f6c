"""Answer `GET /executions/{executionArn}`: what has become of an execution."""

import json
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability.executions import describe
from handlers.shared.api import unavailable
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for

logger = logger_for("observability")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # API Gateway may leave a path parameter encoded; an ARN has no percent sign of its own.
    try:
        execution = describe(unquote(event["pathParameters"]["executionArn"]))
    except AwsUnavailableError as error:
        logger.warning("execution not described", reason=str(error))
        return unavailable("The execution could not be described. Try again later.")
    if execution is None:
        return _answer(404, {"message": "There is no such execution."})
    return _answer(200, execution)


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps(body),
    }
