"""What a removed stack retained."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ops import take_back
from ops.errors import OpsError

STACK = "stepworks-prod"
TEMPLATE = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DependsOn": ["Permission"],
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {
                "BucketName": {"Fn::Sub": "stepworks-prod-${AWS::AccountId}"},
                "NotificationConfiguration": {"Function": {"Fn::GetAtt": ["Function", "Arn"]}},
                "Tags": [{"Key": "queue", "Value": {"Fn::Sub": "${Queue.Arn}/x"}}],
            },
        },
        "Role": {"Type": "AWS::IAM::Role", "DeletionPolicy": "RetainExceptOnCreate"},
    }
}


class Removed:
    """CloudFormation, of removed stacks: the older one retained things, the newer one failed."""

    def __init__(self, *retained: str) -> None:
        self.retained = retained

    def get_paginator(self, operation: str) -> Any:
        return Pages(getattr(self, operation))

    def list_stacks(self, **_: Any) -> dict[str, Any]:
        return {
            "StackSummaries": [
                summary(STACK, "older", 1),
                summary(STACK, "newer", 2),
                summary("stepworks-prod2", "another", 3),
            ]
        }

    def list_stack_resources(self, *, StackName: str) -> dict[str, Any]:
        kept = self.retained if StackName == "older" else ()
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": f"{name.lower()}-1",
                    "ResourceStatus": "DELETE_SKIPPED" if name in kept else "DELETE_COMPLETE",
                }
                for name in TEMPLATE["Resources"]
            ]
        }

    def get_template(self, *, StackName: str) -> dict[str, Any]:
        return {"TemplateBody": TEMPLATE}


class Pages:
    def __init__(self, operation: Any) -> None:
        self.operation = operation

    def paginate(self, **parameters: Any) -> list[dict[str, Any]]:
        return [self.operation(**parameters)]


def summary(name: str, stack_id: str, day: int) -> dict[str, Any]:
    created = datetime(2026, 1, day, tzinfo=UTC)
    return {"StackName": name, "StackId": stack_id, "CreationTime": created}


def test_a_later_failed_attempt_is_skipped() -> None:
    resources, names = take_back.retained_resources(Removed("Bucket", "Role"), STACK, {})

    assert resources.keys() == {"Bucket"}  # deploying makes a new role
    assert names["Bucket"] == "bucket-1"


def test_a_name_may_be_given() -> None:
    resources, names = take_back.retained_resources(Removed(), STACK, {"Bucket": "mine"})

    assert resources.keys() == {"Bucket"}
    assert names == {"Bucket": "mine"}


def test_without_retained_resources_the_error_says_what_to_do() -> None:
    with pytest.raises(OpsError, match="Name each one: --resource"):
        take_back.retained_resources(Removed("Role"), STACK, {})


def test_a_resource_is_imported_without_what_refers_to_others() -> None:
    bucket = TEMPLATE["Resources"]["Bucket"]

    assert take_back.without_references({"Bucket": bucket}) == {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {"BucketName": {"Fn::Sub": "stepworks-prod-${AWS::AccountId}"}},
        }
    }
