"""Validation of a REST API's request bodies, with the reason why a body is refused.

ministack 1.5.33 can validate bodies, but its CloudFormation neither creates an
`AWS::ApiGateway::RequestValidator` nor sets a method's `RequestValidatorId`, so no body is
validated. It also does not replace `$context.error.validationErrorString` in a gateway response.
"""

import json
from typing import Any

from jsonschema import Draft4Validator
from ministack.services import apigateway_v1 as api
from ministack.services.cloudformation import provisioners

_create_method_upstream = provisioners._apigw_method_create
_check_upstream = api._check_request_validation
_error_response_upstream = api._gateway_error_response


def create_validator(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
    _, _, body = api._create_request_validator(
        props["RestApiId"],
        {
            "name": props.get("Name") or logical_id,
            "validateRequestBody": props.get("ValidateRequestBody", False),
            "validateRequestParameters": props.get("ValidateRequestParameters", False),
        },
    )
    validator = json.loads(body)["id"]
    return validator, {"RequestValidatorId": validator}


def create_method(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
    created = _create_method_upstream(logical_id, props, stack_name)
    if validator := props.get("RequestValidatorId"):
        api._update_method(
            props["RestApiId"],
            props["ResourceId"],
            props["HttpMethod"],
            {
                "patchOperations": [
                    {"op": "replace", "path": "/requestValidatorId", "value": validator}
                ]
            },
        )
    return created


def check(
    method: dict[str, Any],
    api_id: str,
    request: dict[str, Any],
    headers: dict[str, Any],
    body: bytes,
    query: dict[str, Any],
) -> Any:
    """As upstream, and adds the reason to the error."""
    error = _check_upstream(method, api_id, request, headers, body, query)
    if error is not None and error.response_type == "BAD_REQUEST_BODY":
        models = method.get("requestModels") or {}
        error.reasons = _reasons(api._model_schema(api_id, models["application/json"]), body)
    return error


def gateway_error_response(error: Any, request: dict[str, Any]) -> Any:
    status, headers, body = _error_response_upstream(error, request)
    reasons = json.dumps(getattr(error, "reasons", ""))[1:-1]
    return status, headers, body.replace(b"$context.error.validationErrorString", reasons.encode())


def _reasons(schema: Any, body: bytes) -> str:
    """In brackets, as in API Gateway; the wording is that of another validator."""
    try:
        document = json.loads(body)
    except ValueError:
        return "[the body is not JSON]"
    return (
        f"[{', '.join(error.message for error in Draft4Validator(schema).iter_errors(document))}]"
    )


def install() -> None:
    for kind, create in (("request_validator", create_validator), ("method", create_method)):
        setattr(provisioners, f"_apigw_{kind}_create", create)  # its own update calls it, too
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RequestValidator"]["create"] = (
        create_validator
    )
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Method"]["create"] = create_method
    api._check_request_validation = check
    api._gateway_error_response = gateway_error_response
