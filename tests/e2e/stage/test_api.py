"""The API of a stage: who may call it, which deployment it serves, and what it logs."""

import json
from typing import Any

import pytest

from local import api
from local.aws import Deployment, until
from tests.support import iam
from tests.support.checks import only_on_aws


@pytest.mark.check("api-unauthorised")
def test_a_caller_without_the_permission_is_refused(aws: Deployment) -> None:
    """With the key of a user who may call one route. A new key becomes valid after some seconds."""
    document = aws.name()
    allowed = {"Action": "execute-api:Invoke", "Resource": iam.api_arn(aws, "GET/jobs")}
    with iam.user(aws, allowed) as credentials:
        until(
            "the key of the user",
            lambda: api.call(aws, "GET", "/jobs", credentials=credentials).status == 200,
        )

        refused = [
            api.call(aws, "POST", path, {"documentId": document}, credentials=credentials)
            for path in ("/documents", "/downloads", "/messages")
        ]

    assert [response.status for response in refused] == [403, 403, 403]
    assert all("not authorized" in response.text for response in refused)


@pytest.mark.check("stage-deployment", only_on_aws="it serves what is defined, without deployments")
def test_the_stage_serves_the_newest_deployment_with_its_settings(aws: Deployment) -> None:
    gateway, rest_api = aws.client("apigateway"), aws.resource("ApiGatewayRestApi")
    stage = gateway.get_stage(restApiId=rest_api, stageName=aws.stage)
    only_on_aws(aws, "it serves what is defined, without deployments")
    deployments = gateway.get_deployments(restApiId=rest_api, limit=500)["items"]

    newest = max(deployments, key=lambda one: one["createdDate"])
    assert stage["deploymentId"] == newest["id"]
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] > 0
    assert stage["accessLogSettings"]["destinationArn"]


@pytest.mark.check("removed-routes", only_on_aws="it serves what is defined, without deployments")
def test_exactly_the_defined_routes_are_served(aws: Deployment) -> None:
    """A route that was removed stays in the old deployment, and is served by it."""
    gateway, rest_api = aws.client("apigateway"), aws.resource("ApiGatewayRestApi")
    pages = gateway.get_paginator("get_resources").paginate(restApiId=rest_api)
    defined = {
        (one["path"], method.lower())
        for page in pages
        for one in page["items"]
        for method in one.get("resourceMethods", {})
    }
    assert ("/documents", "post") in defined
    only_on_aws(aws, "it serves what is defined, without deployments")

    exported = gateway.get_export(
        restApiId=rest_api, stageName=aws.stage, exportType="oas30", accepts="application/json"
    )
    paths: dict[str, Any] = json.loads(exported["body"].read())["paths"]
    served = {
        (path, method)
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "put", "delete", "patch", "head", "options")
    }

    assert served == defined


@pytest.mark.check("access-log", only_on_aws="it writes no access log")
@pytest.mark.timeout(600)
def test_the_access_log_has_the_route_of_a_request(aws: Deployment) -> None:
    response = api.call(aws, "GET", f"/messages/{aws.name()}")
    assert response.status == 404
    only_on_aws(aws, "it writes no access log")
    request = response.headers["x-amzn-RequestId"]

    def logged() -> list[str]:
        found = aws.client("logs").filter_log_events(
            logGroupName=aws.resource("ApiAccessLogGroup"), filterPattern=f'"{request}"'
        )
        return [event["message"] for event in found["events"]]

    (line,) = until("the request in the access log", logged)
    assert json.loads(line)["route"] == "/messages/{messageId}"
