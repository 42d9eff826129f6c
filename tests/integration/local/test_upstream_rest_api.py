"""What a REST API on ministack alone does not do, seen from outside.

When one of these fails, ministack does it itself: that part of api_starts_execution.py or
api_request_validation.py in local/gaps can go.
"""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from ministack.services import apigateway_v1

from local import api
from local.aws import Aws, until
from local.settings import Settings
from tests.integration.local.test_rest_api import START_EXECUTION, TEMPLATE

BODY = {"text": 'she said "it\'s"'}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """The stack of test_rest_api.py on ministack as it comes, with no gap filled."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        seen = Aws(Settings(port=probe.getsockname()[1]))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "GATEWAY_PORT": str(seen.settings.port),
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    address = seen.settings.endpoint.removeprefix("http://")
    server = subprocess.Popen(
        [sys.executable, "-m", "hypercorn", "--bind", address, "ministack.app:app"],
        cwd=tmp_path_factory.mktemp("bare"),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until("a response of ministack", lambda: responds(seen.settings.endpoint))
        seen.outputs = created(seen)
        yield seen
    finally:
        server.terminate()
        server.wait(20)


def responds(endpoint: str) -> bool:
    with (
        suppress(urllib.error.URLError, ConnectionError),
        urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5) as response,
    ):
        return bool(response.status == 200)
    return False


def created(aws: Aws) -> dict[str, str]:
    """The outputs of the stack."""
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName="texts", TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="texts", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    described = cloudformation.describe_stacks(StackName="texts")["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in described["Outputs"]}
    endpoint = f"{aws.settings.endpoint}/_aws/execute-api/{outputs['Api']}/v1"
    return outputs | {"ApiUrl": endpoint}


def method_of(aws: Aws) -> dict[str, str]:
    """What names the method that starts the machine."""
    resources = aws.client("apigateway").get_resources(restApiId=aws.outputs["Api"])["items"]
    (texts,) = (one["id"] for one in resources if one.get("pathPart") == "texts")
    return {"restApiId": aws.outputs["Api"], "resourceId": texts, "httpMethod": "POST"}


def test_it_starts_no_execution(bare: Aws) -> None:
    response = api.call(bare, "POST", "/texts", {"text": "3"})

    assert response.status != 200
    assert bare.executions(bare.outputs["Machine"]) == []


def test_a_template_has_no_validator(bare: Aws) -> None:
    gateway = bare.client("apigateway")

    assert gateway.get_request_validators(restApiId=bare.outputs["Api"])["items"] == []


def test_a_templates_method_has_no_validator(bare: Aws) -> None:
    assert "requestValidatorId" not in bare.client("apigateway").get_method(**method_of(bare))


def test_a_refused_body_gets_no_reason(bare: Aws) -> None:
    # Given a validator that was not made by a template
    gateway, method = bare.client("apigateway"), method_of(bare)
    validator = gateway.create_request_validator(
        restApiId=bare.outputs["Api"], name="bodies", validateRequestBody=True
    )["id"]
    operation = {"op": "replace", "path": "/requestValidatorId", "value": validator}
    gateway.update_method(**method, patchOperations=[operation])
    try:
        # When it refuses a body
        response = api.call(bare, "POST", "/texts", {})
    finally:
        gateway.update_method(**method, patchOperations=[{**operation, "value": ""}])
    # Then the variable is still a variable
    assert response.json == {"reason": "$context.error.validationErrorString"}


def test_a_template_does_not_quote_its_input() -> None:
    rendered = apigateway_v1._render_request_template_v1(START_EXECUTION, json.dumps(BODY), {})

    with suppress(ValueError):
        assert json.loads(json.loads(rendered)["input"]) != BODY


def test_a_template_does_not_override_the_response() -> None:
    template = "#set($context.responseOverride.status = 429)\n{}"
    responses = {"200": {"statusCode": "200", "responseTemplates": {"application/json": template}}}

    status, _, _ = apigateway_v1._service_integration_response(
        {"integrationResponses": responses}, 200, "{}", "application/json", {}
    )

    assert status == 200
