"""A REST API method that starts an execution: integration `AWS`, `states:action/StartExecution`.

ministack 1.5.33 treats every `AWS` integration except SQS as a Lambda function. Its mapping
templates lack `#if` and `$context.responseOverride`, which choose a status by the error's name,
`$util.escapeJavaScript`, which quotes the machine's input, and `$context.requestId`, which is the
execution's name.
"""

from typing import Any

from ministack.core.responses import new_uuid, request_scope
from ministack.services import apigateway_v1 as api
from ministack.services import stepfunctions as sfn

from local.server import mapping_templates

JSON = {"Content-Type": "application/json"}

_invoke_upstream = api._invoke_lambda_custom_v1


async def invoke(integration: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Start the execution if the integration says so; handle other integrations as upstream."""
    target = api._parse_service_integration_uri(integration.get("uri", ""))
    if not target or target[1:] != ("states", "action", "StartExecution"):
        return await _invoke_upstream(integration, *args, **kwargs)
    headers, body, query, path = args[6:10]
    parameters = _parameters(headers, query, path)
    request = _render(integration, headers, body, parameters)
    with request_scope(kwargs["owner_account_id"], target[0]):
        status, _, body = await sfn.handle_request(
            "POST", "/", {"x-amz-target": "AWSStepFunctions.StartExecution"}, request.encode(), {}
        )
    return response(integration, status, body.decode(), parameters)


def _render(
    integration: dict[str, Any], headers: dict[str, Any], body: bytes, parameters: dict[str, Any]
) -> str:
    """The request to Step Functions: the body, rendered by the template for its content type."""
    content_type = (api._header_ci(headers, "content-type") or "application/json").partition(";")[0]
    template = integration["requestTemplates"][
        content_type.strip().lower()
    ]  # others are refused before
    context = {"requestId": new_uuid()}
    return mapping_templates.render(template, body.decode(), parameters, context)[0]


def response(
    integration: dict[str, Any], status: int, text: str, parameters: dict[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    """The client's response, from the integration response for a status and its template."""
    selected = api._select_service_integration_response(integration, status)
    if selected is None:
        return 500, JSON, b'{"message": "Internal server error"}'
    # Step Functions returns JSON, whatever the client accepts.
    template = (selected.get("responseTemplates") or {}).get("application/json")
    overrides = mapping_templates.Overrides()
    if template is not None:
        text, overrides = mapping_templates.render(template, text, parameters, {})
    code = overrides.status or int(selected["statusCode"])
    return code, JSON | overrides.headers, text.encode()


def _parameters(
    headers: dict[str, Any], query: dict[str, Any] | None, path: dict[str, Any] | None
) -> dict[str, Any]:
    """The values of `$input.params(name)`: a path parameter precedes one of the query."""
    query_values = {name: values[0] for name, values in (query or {}).items()}
    return {**headers, **query_values, **(path or {})}


def install() -> None:
    api._invoke_lambda_custom_v1 = invoke
