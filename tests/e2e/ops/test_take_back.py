"""Deploying again after a stack was removed that retained its buckets and tables."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from local.aws import Aws
from ops import take_back
from ops.errors import OpsError

KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


@pytest.fixture
def stage() -> str:
    return f"kept{uuid4().hex[:6]}"


@pytest.fixture
def template(stage: str) -> dict[str, Any]:
    """A bucket with a fixed name that tells a queue of its objects, a table, and a queue."""
    return {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DependsOn": "Queue",
                **KEPT,
                "Properties": {
                    "BucketName": {"Fn::Sub": f"stepworks-{stage}-${{AWS::AccountId}}"},
                    "VersioningConfiguration": {"Status": "Enabled"},
                    "Tags": [{"Key": "queue", "Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}],
                },
            },
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                **KEPT,
                "Properties": {
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                },
            },
        },
    }


@pytest.fixture
def removed(aws: Aws, stage: str, template: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The names of what a removed stack has left, with an object and an item in them."""
    stack, cloudformation = f"stepworks-{stage}", aws.client("cloudformation")
    create(aws, stack, template)
    names = {
        logical_id: cloudformation.describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )["StackResourceDetail"]["PhysicalResourceId"]
        for logical_id in ("Bucket", "Table")
    }
    aws.client("s3").put_object(Bucket=names["Bucket"], Key="kept", Body=b"kept")
    aws.client("dynamodb").put_item(TableName=names["Table"], Item={"id": {"S": "kept"}})
    remove(aws, stack)
    yield names
    remove(aws, stack)
    aws.client("dynamodb").delete_table(TableName=names["Table"])
    versions = aws.client("s3").list_object_versions(Bucket=names["Bucket"])["Versions"]
    for version in versions:
        aws.client("s3").delete_object(
            Bucket=names["Bucket"], Key=version["Key"], VersionId=version["VersionId"]
        )
    aws.client("s3").delete_bucket(Bucket=names["Bucket"])


def create(aws: Aws, stack: str, template: dict[str, Any]) -> None:
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def remove(aws: Aws, stack: str) -> None:
    cloudformation = aws.client("cloudformation")
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def test_retained_resources_are_taken_back_and_the_rest_deployed(
    aws: Aws, stage: str, template: dict[str, Any], removed: dict[str, str]
) -> None:
    stack, cloudformation = f"stepworks-{stage}", aws.client("cloudformation")

    # The local CloudFormation forgets what was in a removed stack, so the names are parameters.
    taken = take_back.take_back(cloudformation, stack, removed)

    assert taken == removed
    # What `serverless deploy` does then: an update with the whole template.
    cloudformation.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    resources = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    assert {item["LogicalResourceId"] for item in resources} == {"Bucket", "Table", "Queue"}
    kept = aws.client("s3").get_object(Bucket=removed["Bucket"], Key="kept")["Body"].read()
    assert kept == b"kept"
    item = aws.client("dynamodb").get_item(TableName=removed["Table"], Key={"id": {"S": "kept"}})
    assert item["Item"] == {"id": {"S": "kept"}}


def test_an_unknown_stack_has_nothing_to_take_back(aws: Aws, stage: str) -> None:
    with pytest.raises(OpsError, match="no removed stack stepworks-kept"):
        take_back.take_back(aws.client("cloudformation"), f"stepworks-{stage}", {})
