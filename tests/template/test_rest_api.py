"""The REST API of the packaged service."""

import json
import re
from typing import Any

import boto3
import pytest

from local.server import mapping_templates
from tests.support.packaged import ChangedPackage, Package, text

GATEWAY = "AWS::ApiGateway::"
# What the client gets for each error that StartExecution may return with HTTP 400.
ERRORS = {
    # Its own errors: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    "ExecutionLimitExceeded": 503,
    "ExecutionAlreadyExists": 500,
    "InvalidArn": 500,
    "InvalidExecutionInput": 400,
    "InvalidName": 500,  # the name is ours: the request's id
    "StateMachineDoesNotExist": 500,
    "StateMachineDeleting": 500,
    "ValidationException": 400,  # the input is too long; nothing else comes from the client
    "KmsAccessDeniedException": 500,
    "KmsInvalidStateException": 500,
    "KmsThrottlingException": 429,
    # Those of every action: https://docs.aws.amazon.com/step-functions/latest/apireference/CommonErrors.html
    "AccessDeniedException": 500,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 500,
}
TRANSIENT = (429, 503)


def starting(dev: Package) -> dict[str, dict[str, Any]]:
    """The methods that start a machine."""
    return {
        name: properties
        for name, properties in dev.resources(f"{GATEWAY}Method").items()
        if "states:action/StartExecution" in text(properties["Integration"].get("Uri", ""))
    }


def one(dev: Package, kind: str) -> dict[str, Any]:
    (properties,) = dev.resources(f"{GATEWAY}{kind}").values()
    found: dict[str, Any] = properties
    return found


def test_machines_are_started_by_signed_requests_only(dev: Package) -> None:
    assert starting(dev)
    for name, properties in starting(dev).items():
        assert properties["AuthorizationType"] == "AWS_IAM", name


def test_a_body_that_starts_a_machine_is_validated_whatever_its_content_type(dev: Package) -> None:
    """A body whose content type has no model is not validated, so no other may have a mapping.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
    """
    for name, properties in starting(dev).items():
        integration = properties["Integration"]
        assert properties["RequestValidatorId"], name
        assert set(integration["RequestTemplates"]) == set(properties["RequestModels"]), name
        assert integration["PassthroughBehavior"] == "NEVER", name


def response(properties: dict[str, Any], status: int) -> dict[str, Any]:
    """The integration response that API Gateway takes for a status of Step Functions."""
    responses = properties["Integration"]["IntegrationResponses"]
    matching = [
        candidate
        for candidate in responses
        if candidate["SelectionPattern"]
        and re.fullmatch(candidate["SelectionPattern"], str(status))
    ]
    # An empty pattern is the default: for whatever no other matches.
    default = [candidate for candidate in responses if not candidate["SelectionPattern"]]
    (selected,) = matching or default
    found: dict[str, Any] = selected
    return found


def rendered(
    properties: dict[str, Any], status: int, body: dict[str, Any]
) -> tuple[int, str, dict[str, str]]:
    """Status, message and headers of the client's response to a response of Step Functions."""
    selected = response(properties, status)
    template = selected["ResponseTemplates"]["application/json"]
    text, overrides = mapping_templates.render(template, json.dumps(body), {}, {})
    message = json.loads(text)["message"]
    return overrides.status or int(selected["StatusCode"]), message, overrides.headers


def test_only_a_started_execution_is_a_success(dev: Package) -> None:
    for name, properties in starting(dev).items():
        assert response(properties, 200)["StatusCode"] == 200, name
        for status in (201, 400, 403, 413, 500, 503):
            assert response(properties, status)["StatusCode"] != 200, name


@pytest.mark.parametrize(("error", "expected"), ERRORS.items())
@pytest.mark.parametrize(
    "prefix", ["", "com.amazonaws.swf.service.v2.model#"], ids=["bare", "long"]
)
def test_each_error_has_the_status_that_tells_who_can_correct_it(
    dev: Package, error: str, expected: int, prefix: str
) -> None:
    for properties in starting(dev).values():
        body = {"__type": prefix + error, "message": 'it\'s "bad" of role arn:aws:iam::1:role/x'}
        status, message, headers = rendered(properties, 400, body)

        assert status == expected
        # The client gets no details of errors that only we can correct.
        assert (message == body["message"]) is (expected == 400)
        assert headers.keys() == ({"Retry-After"} if expected in TRANSIENT else set())
        assert all(int(seconds) > 0 for seconds in headers.values())


def test_every_error_of_step_functions_has_a_response() -> None:
    model = boto3.client("stepfunctions", region_name="us-east-1").meta.service_model
    named = {error.name for error in model.operation_model("StartExecution").error_shapes}

    assert named <= ERRORS.keys()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(400, {"__type": "SomethingNewException"}, 500, id="an error of another name"),
        pytest.param(400, {"Message": "no"}, 500, id="an error without a name"),
        pytest.param(403, {"__type": "InvalidClientTokenId"}, 500, id="our credentials"),
        pytest.param(500, {"__type": "InternalFailure"}, 503, id="Step Functions fails"),
        pytest.param(503, {"__type": "ServiceUnavailable"}, 503, id="Step Functions is not there"),
    ],
)
def test_any_other_error_is_a_server_error(
    dev: Package, status: int, body: dict[str, Any], expected: int
) -> None:
    for properties in starting(dev).values():
        code, message, headers = rendered(properties, status, body)

        assert code == expected
        assert message.startswith("The execution could not be started")
        assert bool(headers) is (expected in TRANSIENT)


def test_every_status_that_an_integration_returns_is_declared(dev: Package) -> None:
    for name, properties in dev.resources(f"{GATEWAY}Method").items():
        returned = {
            str(response["StatusCode"])
            for response in properties["Integration"].get("IntegrationResponses", [])
        }
        declared = {str(response["StatusCode"]) for response in properties["MethodResponses"]}
        assert returned <= declared, name


def test_every_machine_is_started_with_a_role_for_it_alone(dev: Package) -> None:
    for name, properties in starting(dev).items():
        role = properties["Integration"]["Credentials"]["Fn::GetAtt"][0]
        (statement,) = dev.statements(role)
        assert statement.actions == ("states:StartExecution",), name
        assert len(statement.resources) == 1, name
        assert statement.resources[0] != "*", name


def test_a_refused_body_gets_the_reason(dev: Package) -> None:
    (response,) = (
        properties
        for properties in dev.resources(f"{GATEWAY}GatewayResponse").values()
        if properties["ResponseType"] == "BAD_REQUEST_BODY"
    )

    assert response["StatusCode"] == "400"
    assert "$context.error.validationErrorString" in str(response["ResponseTemplates"])


def test_the_stage_deploys_all_methods_and_gateway_responses(dev: Package) -> None:
    ((name, deployment),) = (
        (name, resource)
        for name, resource in dev.template["Resources"].items()
        if resource["Type"] == f"{GATEWAY}Deployment"
    )

    assert one(dev, "Stage")["DeploymentId"] == {"Ref": name}
    assert "StageName" not in deployment["Properties"]
    assert set(deployment["DependsOn"]) == {
        *dev.resources(f"{GATEWAY}Method"),
        *dev.resources(f"{GATEWAY}GatewayResponse"),
    }


def test_there_is_one_regional_api(dev: Package) -> None:
    assert one(dev, "RestApi")["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_requests_are_limited(dev: Package) -> None:
    (settings,) = one(dev, "Stage")["MethodSettings"]

    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"]


def test_logs_and_traces_have_no_url_with_a_secret(dev: Package) -> None:
    """A link's code is in the query of its address; a request's id is in the path."""
    stage = one(dev, "Stage")
    logged = set(re.findall(r"\$context\.[\w.]+", stage["AccessLogSetting"]["Format"]))

    assert "$context.resourcePath" in logged
    assert not {"$context.path", "$context.customDomain.basePathMatched"} & logged
    assert stage["TracingEnabled"] is False
    assert stage["MethodSettings"][0]["DataTraceEnabled"] is False
    assert stage["MethodSettings"][0]["LoggingLevel"] == "OFF"


ACCOUNT_WIDE = {"ApiAccount", "ApiLogsRole"}


def test_the_accounts_role_for_api_logs_is_retained(dev: Package) -> None:
    """Other stages and other services write their logs with it."""
    for name in ACCOUNT_WIDE:
        resource = dev.template["Resources"][name]
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_stage_depends_on_the_accounts_logging_role(dev: Package) -> None:
    ((_, stage),) = dev.all_of(f"{GATEWAY}Stage").items()

    assert stage["DependsOn"] == ["ApiAccount"]
    assert one(dev, "Account")["CloudWatchRoleArn"] == {"Fn::GetAtt": ["ApiLogsRole", "Arn"]}


def test_a_parameter_leaves_the_accounts_settings_alone(changed: ChangedPackage) -> None:
    ((_, stage),) = changed.all_of(f"{GATEWAY}Stage").items()

    assert ACCOUNT_WIDE & changed.template["Resources"].keys() == set()
    assert [name for name in ACCOUNT_WIDE if name in json.dumps(changed.template)] == []
    assert "DependsOn" not in stage
    assert stage["Properties"]["AccessLogSetting"]["DestinationArn"]  # by the account's own role


def test_the_url_is_that_of_the_stage(dev: Package) -> None:
    assert text(dev.template["Outputs"]["ApiUrl"]["Value"]) == (
        "https://${ApiGatewayRestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev"
    )
