"""Deploying again after a stack was removed that retained its buckets and tables."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.aws import Deployment
from ops import take_back
from ops.errors import OpsError

WAITER = {"Delay": 1, "MaxAttempts": 300}
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


@pytest.fixture
def stack(aws: Deployment) -> str:
    return aws.name()


@pytest.fixture
def template(stack: str) -> dict[str, Any]:
    """A bucket with a fixed name that tells a queue of its objects, a table, and a queue."""
    return {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DependsOn": "Queue",
                **KEPT,
                "Properties": {
                    "BucketName": {"Fn::Sub": f"{stack}-${{AWS::AccountId}}"},
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
def removed(aws: Deployment, stack: str, template: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The names of what a removed stack has left, with an object and an item in them."""
    cloudformation = aws.client("cloudformation")
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


def create(aws: Deployment, stack: str, template: dict[str, Any]) -> None:
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=WAITER)


def remove(aws: Deployment, stack: str) -> None:
    cloudformation = aws.client("cloudformation")
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=WAITER)


@pytest.mark.check("take-back", only_on_aws="its import of resources is a shorter one")
@pytest.mark.timeout(840)
def test_retained_resources_are_taken_back_and_the_rest_deployed(
    aws: Deployment, stack: str, template: dict[str, Any], removed: dict[str, str]
) -> None:
    cloudformation = aws.client("cloudformation")

    # The local CloudFormation forgets what was in a removed stack, so the names are parameters.
    taken = take_back.take_back(cloudformation, stack, removed)

    assert taken == removed
    # What `serverless deploy` does then: an update with the whole template.
    cloudformation.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=WAITER)
    resources = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    assert {item["LogicalResourceId"] for item in resources} == {"Bucket", "Table", "Queue"}
    kept = aws.client("s3").get_object(Bucket=removed["Bucket"], Key="kept")["Body"].read()
    assert kept == b"kept"
    item = aws.client("dynamodb").get_item(TableName=removed["Table"], Key={"id": {"S": "kept"}})
    assert item["Item"] == {"id": {"S": "kept"}}


def test_an_unknown_stack_has_nothing_to_take_back(aws: Deployment, stack: str) -> None:
    with pytest.raises(OpsError, match=f"no removed stack {stack}"):
        take_back.take_back(aws.client("cloudformation"), stack, {})
