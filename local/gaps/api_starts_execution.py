"""A REST API method that starts an execution: integration `AWS`, `states:action/StartExecution`.

ministack 1.5.33 takes every such integration but SQS for a Lambda. Its mapping templates know
neither `$util.escapeJavaScript` and `replaceAll`, with which the machine's input is quoted, nor
`$context.requestId`, which names the execution.
"""

import json
import re
from typing import Any

from ministack.core.responses import new_uuid, request_scope
from ministack.services import apigateway_v1 as api
from ministack.services import stepfunctions as sfn

Steps = list[tuple[str, str | None]]
State = dict[str, Any]

_invoke_upstream = api._invoke_lambda_custom_v1
_util_upstream = api._vtl_util


async def invoke(integration: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Start the execution if the integration says so; everything else as upstream."""
    target = api._parse_service_integration_uri(integration.get("uri", ""))
    if not target or target[1:] != ("states", "action", "StartExecution"):
        return await _invoke_upstream(integration, *args, **kwargs)
    headers, body, query, path = args[6:10]
    parameters = _parameters(headers, query, path)
    request = _render(integration, headers, body, parameters)
    with request_scope(kwargs["owner_account_id"], target[0]):
        status, _, answer = await sfn.handle_request(
            "POST", "/", {"x-amz-target": "AWSStepFunctions.StartExecution"}, request.encode(), {}
        )
    # What Step Functions answers is JSON, whatever the caller accepts.
    result: Any = api._service_integration_response(
        integration, status, answer.decode(), "application/json", parameters
    )
    return result


def _render(
    integration: dict[str, Any], headers: dict[str, Any], body: bytes, parameters: dict[str, Any]
) -> str:
    """The request to Step Functions: the body in the template for its content type."""
    sent = (api._header_ci(headers, "content-type") or "application/json").partition(";")[0]
    template = integration["requestTemplates"][sent.strip().lower()]  # others are refused before
    rendered: str = api._render_request_template_v1(
        template, body.decode(), parameters, {"requestId": new_uuid()}
    )
    return rendered


def _parameters(
    headers: dict[str, Any], query: dict[str, Any] | None, path: dict[str, Any] | None
) -> dict[str, Any]:
    """What `$input.params(name)` finds: of the same name, the path's goes before the query's."""
    first = {name: values[0] for name, values in (query or {}).items()}
    return {**headers, **first, **(path or {})}


def util(steps: Steps, state: State) -> Any:
    """`$util.escapeJavaScript(text)` and, on what it gives, `.replaceAll(pattern, replacement)`."""
    (name, arguments), *following = steps
    if name != "escapeJavaScript" or arguments is None:
        return _util_upstream(steps, state)
    text = _escape(api._vtl_str(api._vtl_value(arguments, state)))
    for method, given in following:
        if method != "replaceAll" or given is None:
            return None
        pattern, replacement = (
            api._vtl_str(api._vtl_value(value, state)) for value in api._vtl_split_args(given)
        )
        text = re.sub(pattern, replacement, text)
    return text


def _escape(text: str) -> str:
    """As Java's escapeEcmaScript does: JSON's escapes, and two more."""
    return json.dumps(text)[1:-1].replace("'", "\\'").replace("/", "\\/")


def install() -> None:
    api._invoke_lambda_custom_v1 = invoke
    api._vtl_util = util
