"""The REST API of the local AWS: it starts executions, validates bodies and asks for signatures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from botocore.credentials import Credentials

from local import api
from local.aws import Aws
from local.gaps import api_starts_execution

ROOT = Path(__file__).resolve().parents[3]
# As serverless-step-functions writes it.
START_EXECUTION = (
    "\n#set( $body = $util.escapeJavaScript($input.json('$')).replaceAll(\"\\\\'\", \"'\") )\n"
    '{"input": "$body", "name": "$context.requestId", "stateMachineArn":"${Machine}"}'
)
# The service's own, as CloudFormation names their parts.
RESPONSES = [
    {name[0].upper() + name[1:]: value for name, value in response.items()}
    for response in yaml.safe_load(
        (ROOT / "handlers" / "shared" / "start-execution-responses.yml").read_text()
    ).values()
]
SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string", "maxLength": 100}},
}
TEXTS = {
    "plain": "3",
    "quotes": "she said \"it's\" and \\'it wasn't\\'",
    "control characters": "a\tb\nc\rd",
    "not ASCII": "Grüße, 日本 🙂 </script>",
    "looks like a template": "$input.body #set($x = 1) ${Machine}",
}


ROLE = {"Fn::GetAtt": ["Role", "Arn"]}
REST_API = {"Ref": "Api"}


def method(verb: str, machine: str) -> dict[str, Any]:
    """A method that starts a machine, as the plugin makes it."""
    request = {"application/json": {"Fn::Sub": START_EXECUTION.replace("${Machine}", machine)}}
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": REST_API,
            "ResourceId": {"Ref": "Resource"},
            "HttpMethod": verb,
            "AuthorizationType": "AWS_IAM",
            "RequestValidatorId": {"Ref": "Validator"},
            "RequestModels": {"application/json": {"Ref": "Model"}},
            "Integration": {
                "Type": "AWS",
                "IntegrationHttpMethod": "POST",
                "Credentials": ROLE,
                "Uri": {
                    "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:states:action/StartExecution"
                },
                "PassthroughBehavior": "NEVER",
                "RequestTemplates": request,
                "IntegrationResponses": RESPONSES,
            },
        },
    }


TEMPLATE = {
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Statement": []}},
        },
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": ROLE,
                "DefinitionString": json.dumps(
                    {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
                ),
            },
        },
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "texts"}},
        "Validator": {
            "Type": "AWS::ApiGateway::RequestValidator",
            "Properties": {"RestApiId": REST_API, "ValidateRequestBody": True},
        },
        "Model": {
            "Type": "AWS::ApiGateway::Model",
            "Properties": {
                "RestApiId": REST_API,
                "ContentType": "application/json",
                "Schema": SCHEMA,
            },
        },
        "BadRequestBody": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": REST_API,
                "ResponseType": "BAD_REQUEST_BODY",
                "StatusCode": "400",
                "ResponseTemplates": {
                    "application/json": '{"reason":"$context.error.validationErrorString"}'
                },
            },
        },
        "Resource": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "RestApiId": REST_API,
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "texts",
            },
        },
        "Post": method("POST", "${Machine}"),
        "PutToNoMachine": method("PUT", "${Machine}-that-is-not-there"),
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Post", "PutToNoMachine", "BadRequestBody"],
            "Properties": {"RestApiId": REST_API, "StageName": "v1"},
        },
    },
    "Outputs": {"Api": {"Value": REST_API}, "Machine": {"Value": {"Ref": "Machine"}}},
}


@pytest.fixture(scope="module")
def stack(server: Aws) -> Iterator[Aws]:
    """A stack with one machine that a method starts; its outputs are those of the client."""
    cloudformation = server.client("cloudformation")
    name = f"rest-api-{uuid4().hex[:8]}"
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(TEMPLATE), Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in described["Outputs"]}
    outputs["ApiUrl"] = f"{server.settings.endpoint}/_aws/execute-api/{outputs['Api']}/v1"
    seen = Aws(server.settings)
    seen.outputs = outputs
    yield seen
    cloudformation.delete_stack(StackName=name)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_request_starts_an_execution_with_its_body_as_input(stack: Aws, text: str) -> None:
    response = api.call(stack, "POST", "/texts", {"text": text})

    assert response.status == 200, response.text
    started = response.json
    assert started["startDate"] > 0
    execution = stack.wait_for_end(started["executionArn"])
    assert execution["stateMachineArn"] == stack.outputs["Machine"]
    assert json.loads(execution["input"]) == {"text": text}


def test_each_request_starts_an_execution_of_its_own(stack: Aws) -> None:
    first, second = (api.call(stack, "POST", "/texts", {"text": "same"}).json for _ in range(2))

    assert first["executionArn"] != second["executionArn"]


BAD_BODIES = {
    "a field is missing": ({}, "text"),
    "another field": ({"text": "3", "more": 1}, "more"),
    "another type": ({"text": 3}, "string"),
    "too long": ({"text": "x" * 101}, "too long"),
    "not an object": ([], "object"),
    "not JSON": ("text=3", "not JSON"),
    "nothing": ("", "not JSON"),
}


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_the_schema_refuses_gets_the_reason(stack: Aws, body: Any, reason: str) -> None:
    before = len(stack.executions(stack.outputs["Machine"]))

    response = api.call(stack, "POST", "/texts", body)

    assert response.status == 400, response.text
    assert reason in response.json["reason"]
    assert len(stack.executions(stack.outputs["Machine"])) == before


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_body_of_another_type_starts_nothing(stack: Aws, content_type: str) -> None:
    response = api.call(
        stack, "POST", "/texts", '{"text": "3"}', headers={"Content-Type": content_type}
    )

    assert response.status == 415


def test_an_error_of_step_functions_selects_the_response(stack: Aws) -> None:
    response = api.call(stack, "PUT", "/texts", {"text": "3"})

    assert response.status == 500
    assert response.json["message"].startswith("The execution could not be started")


def test_a_template_overrides_status_and_headers() -> None:
    """The local Step Functions never throttles, so this asks the gap itself."""
    responses = {
        response["SelectionPattern"]: {
            name[0].lower() + name[1:]: value for name, value in response.items()
        }
        for response in RESPONSES
    }
    refused = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"})

    status, headers, body = api_starts_execution.response(
        {"integrationResponses": responses}, 400, refused, {}
    )

    assert (status, headers["Retry-After"]) == (429, "5")
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["message"].startswith("Too many")


@pytest.fixture
def user(stack: Aws) -> Iterator[Credentials]:
    """An IAM user who may post texts, and nothing else."""
    iam, name = stack.client("iam"), f"writer-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(
        UserName=name,
        PolicyName="post",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": f"arn:aws:execute-api:*:*:{stack.outputs['Api']}/v1/POST/texts",
                },
            }
        ),
    )
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_user_policy(UserName=name, PolicyName="post")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def test_a_user_with_permission_may_call(stack: Aws, user: Credentials) -> None:
    response = api.call(stack, "POST", "/texts", {"text": "3"}, credentials=user)

    assert response.status == 200, response.text


def test_an_unsigned_request_is_forbidden(stack: Aws) -> None:
    response = api.call(stack, "POST", "/texts", {"text": "3"}, credentials=None)

    assert response.status == 403


@pytest.mark.parametrize(
    ("verb", "key", "secret"),
    [
        pytest.param("POST", None, "wrong", id="signed with a wrong secret"),
        pytest.param("POST", "AKIANOBODYHASTHISKEY", None, id="of no user"),
        pytest.param("PUT", None, None, id="without the right"),
    ],
)
def test_a_request_is_forbidden(
    stack: Aws, user: Credentials, verb: str, key: str | None, secret: str | None
) -> None:
    credentials = Credentials(key or user.access_key, secret or user.secret_key)

    response = api.call(stack, verb, "/texts", {"text": "3"}, credentials=credentials)

    assert response.status == 403, response.text
