"""The REST API of the packaged service."""

import re
from typing import Any

from tests.support.packaged import Package, text

GATEWAY = "AWS::ApiGateway::"


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


def test_what_starts_a_machine_is_validated_whatever_it_says_it_is(dev: Package) -> None:
    """A body whose content type has no model is not validated, so no other may have a mapping.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
    """
    for name, properties in starting(dev).items():
        integration = properties["Integration"]
        assert properties["RequestValidatorId"], name
        assert set(integration["RequestTemplates"]) == set(properties["RequestModels"]), name
        assert integration["PassthroughBehavior"] == "NEVER", name


def test_only_what_step_functions_took_is_a_success(dev: Package) -> None:
    for name, properties in starting(dev).items():
        responses = properties["Integration"]["IntegrationResponses"]
        by_status = {
            str(response["StatusCode"]): response["SelectionPattern"] for response in responses
        }
        assert by_status["200"] == "200", name
        # An empty pattern is the default: for whatever no other matches.
        assert [status for status, pattern in by_status.items() if not pattern] == ["503"], name


def test_every_status_that_an_integration_answers_is_declared(dev: Package) -> None:
    for name, properties in dev.resources(f"{GATEWAY}Method").items():
        answered = {
            str(response["StatusCode"])
            for response in properties["Integration"].get("IntegrationResponses", [])
        }
        declared = {str(response["StatusCode"]) for response in properties["MethodResponses"]}
        assert answered <= declared, name


def test_every_machine_is_started_in_a_role_that_may_start_it_and_no_other(dev: Package) -> None:
    for name, properties in starting(dev).items():
        role = properties["Integration"]["Credentials"]["Fn::GetAtt"][0]
        (statement,) = dev.statements(role)
        assert statement.actions == ("states:StartExecution",), name
        assert len(statement.resources) == 1, name
        assert statement.resources[0] != "*", name


def test_a_refused_body_is_answered_with_the_reason(dev: Package) -> None:
    (response,) = (
        properties
        for properties in dev.resources(f"{GATEWAY}GatewayResponse").values()
        if properties["ResponseType"] == "BAD_REQUEST_BODY"
    )

    assert response["StatusCode"] == "400"
    assert "$context.error.validationErrorString" in str(response["ResponseTemplates"])


def test_the_stage_has_all_that_was_made_before_it_was_deployed(dev: Package) -> None:
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


def test_there_is_one_api_of_the_region(dev: Package) -> None:
    assert one(dev, "RestApi")["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_requests_are_limited(dev: Package) -> None:
    (settings,) = one(dev, "Stage")["MethodSettings"]

    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"]


def test_logs_and_traces_hold_no_address_with_a_secret_in_it(dev: Package) -> None:
    """A link's code is in the query of its address; a request's id is in the path."""
    stage = one(dev, "Stage")
    logged = set(re.findall(r"\$context\.[\w.]+", stage["AccessLogSetting"]["Format"]))

    assert "$context.resourcePath" in logged
    assert not {"$context.path", "$context.customDomain.basePathMatched"} & logged
    assert stage["TracingEnabled"] is False
    assert stage["MethodSettings"][0]["DataTraceEnabled"] is False
    assert stage["MethodSettings"][0]["LoggingLevel"] == "OFF"


def test_the_accounts_role_for_api_logs_stays_when_the_stack_goes(dev: Package) -> None:
    for name in ("ApiAccount", "ApiLogsRole"):
        assert dev.template["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_the_url_is_that_of_the_stage(dev: Package) -> None:
    assert text(dev.template["Outputs"]["ApiUrl"]["Value"]) == (
        "https://${ApiGatewayRestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev"
    )
