"""Buckets, tables and queues of the packaged service."""

from typing import Any

import pytest

from tests.support.packaged import Package, text


def test_buckets_are_private(dev: Package) -> None:
    for name, properties in dev.resources("AWS::S3::Bucket").items():
        assert properties["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }, name


def test_buckets_are_encrypted(dev: Package) -> None:
    for name, properties in dev.resources("AWS::S3::Bucket").items():
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"], name


def test_buckets_require_tls(dev: Package) -> None:
    tls_only = {
        text(properties["Bucket"])
        for properties in dev.resources("AWS::S3::BucketPolicy").values()
        for statement in properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and str(statement["Condition"]["Bool"]["aws:SecureTransport"]).lower() == "false"
    }

    assert tls_only == {f"${{{name}}}" for name in dev.resources("AWS::S3::Bucket")}


def test_bucket_names_fit(dev: Package) -> None:
    """63 characters, with the longest region name, for stages of up to eight."""
    for name, properties in dev.resources("AWS::S3::Bucket").items():
        longest = (
            text(properties.get("BucketName", ""))
            .replace("${AWS::Region}", "ap-southeast-1")
            .replace("${AWS::AccountId}", "1" * 12)
            .replace("-dev-", "-a1234567-")
        )
        assert len(longest) <= 63, name


def test_tables_are_on_demand_and_encrypted(dev: Package) -> None:
    for name, properties in dev.resources("AWS::DynamoDB::Table").items():
        assert properties["BillingMode"] == "PAY_PER_REQUEST", name
        assert properties["SSESpecification"]["SSEEnabled"], name


def test_queues_are_encrypted_and_keep_messages_long(dev: Package) -> None:
    for name, properties in dev.resources("AWS::SQS::Queue").items():
        assert properties.get("SqsManagedSseEnabled") or properties.get("KmsMasterKeyId"), name
        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600, name


def test_nothing_is_deleted_with_the_stack_in_production(prod: Package) -> None:
    keeping = ("AWS::S3::Bucket", "AWS::DynamoDB::Table")
    for name, resource in prod.template["Resources"].items():
        if resource["Type"] in keeping and name != "ServerlessDeploymentBucket":
            assert resource["UpdateReplacePolicy"] == "Retain", name
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_failed_first_deployment_retains_nothing(
    request: pytest.FixtureRequest, stage: str
) -> None:
    """`Retain` keeps it through the rollback, and the next attempt finds its name taken."""
    package: Package = request.getfixturevalue(stage)
    policies = {
        name: (resource.get("DeletionPolicy", "Delete"), resource.get("UpdateReplacePolicy"))
        for name, resource in package.template["Resources"].items()
    }
    retained = {name for name, policy in policies.items() if "Retain" in str(policy)}

    assert retained
    assert {policies[name] for name in retained} == {("RetainExceptOnCreate", "Retain")}


def test_outputs_are_those_of_the_contract(template: dict[str, Any]) -> None:
    own_outputs = {name for name in template["Outputs"] if not name.startswith("Serverless")}

    assert own_outputs >= {
        "SensorSourceBucket",
        "SensorTargetBucket",
        "SensorReadingsTable",
        "SensorStateMachineArn",
        "CookiesStateMachineArn",
        "CookiesBucket",
        "TaskFinisherStateMachineArn",
    }
