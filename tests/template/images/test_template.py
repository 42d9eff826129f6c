"""The images workflow in the packaged template."""

from typing import Any

import pytest

from tests.support.packaged import Package, text

FUNCTIONS = {
    "BatchResourcesLambdaFunction": {"s3:PutObject ${ImagesRunsBucket.Arn}/*/plan.json"},
    "DownloadBatchLambdaFunction": {
        "s3:GetObject ${ImagesRunsBucket.Arn}/*/plan.json",
        "s3:PutObject ${ImagesRunsBucket.Arn}/*/begun/*",
        "s3:PutObject ${ImagesRunsBucket.Arn}/*/results/*",
        "s3:GetObject ${ImagesBucket.Arn}/*",
        "s3:PutObject ${ImagesBucket.Arn}/*",
        "s3:ListBucket ${ImagesRunsBucket.Arn}",
        "s3:ListBucket ${ImagesBucket.Arn}",
    },
    "ConsolidateLambdaFunction": {
        "s3:GetObject ${ImagesRunsBucket.Arn}/*/plan.json",
        "s3:GetObject ${ImagesRunsBucket.Arn}/*/results/*",
        "s3:PutObject ${ImagesRunsBucket.Arn}/*/report.json",
        "s3:ListBucket ${ImagesRunsBucket.Arn}",
    },
    "RecordDownloadsLambdaFunction": {
        "s3:GetObject ${ImagesRunsBucket.Arn}/*/report.json",
        "s3:ListBucket ${ImagesRunsBucket.Arn}",
        "dynamodb:BatchWriteItem ${ImagesTable.Arn}",
    },
}
COMMON_PERMISSIONS = ("xray:", "logs:")


def properties(package: Package, name: str) -> dict[str, Any]:
    found: dict[str, Any] = package.template["Resources"][name]["Properties"]
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_may_do_its_work_and_nothing_else(dev: Package, function: str) -> None:
    allowed = {
        f"{action} {resource}"
        for statement in dev.statements(dev.role_of(properties(dev, function)))
        for action in statement.actions
        for resource in statement.resources
        if not action.startswith(COMMON_PERMISSIONS)
    }

    assert allowed == FUNCTIONS[function]


# -- Storage ---------------------------------------------------------------------------------


def test_only_large_images_go_to_glacier_instant_retrieval(dev: Package) -> None:
    """It bills every object as 128 KiB at least, so smaller ones would cost more there."""
    rules = properties(dev, "ImagesBucket")["LifecycleConfiguration"]["Rules"]
    (moving,) = [rule for rule in rules if "Transitions" in rule]

    assert moving["Status"] == "Enabled"
    assert int(moving["ObjectSizeGreaterThan"]) == 128 * 1024
    assert moving["Transitions"] == [{"StorageClass": "GLACIER_IR", "TransitionInDays": 1}]


def test_no_image_expires_and_every_run_does(dev: Package) -> None:
    images = properties(dev, "ImagesBucket")["LifecycleConfiguration"]["Rules"]
    (forget,) = properties(dev, "ImagesRunsBucket")["LifecycleConfiguration"]["Rules"]

    assert not [rule for rule in images if "ExpirationInDays" in rule]
    assert forget["ExpirationInDays"] == 90


def test_the_table_is_keyed_by_url(dev: Package) -> None:
    table = properties(dev, "ImagesTable")

    assert table["KeySchema"] == [{"AttributeName": "url", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "url", "AttributeType": "S"}]


def test_the_topic_is_encrypted_with_a_key_its_publishers_may_use(dev: Package) -> None:
    """The AWS-managed key may be used by every principal in the account that may publish."""
    assert properties(dev, "ImagesFailedTopic")["KmsMasterKeyId"] == "alias/aws/sns"


def test_a_mail_subscription_exists_only_with_an_address(dev: Package) -> None:
    subscription = dev.template["Resources"]["ImagesFailureSubscription"]

    assert subscription["Condition"] == "HasImagesFailureEmail"
    assert subscription["Properties"] == {
        "TopicArn": {"Ref": "ImagesFailedTopic"},
        "Protocol": "email",
        "Endpoint": {"Ref": "ImagesFailureEmail"},
    }
    assert dev.template["Parameters"]["ImagesFailureEmail"]["Default"] == ""
    assert dev.template["Conditions"]["HasImagesFailureEmail"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ImagesFailureEmail"}, ""]}]
    }


# -- Limits and safety -----------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_private_addresses_are_refused_on_aws(request: pytest.FixtureRequest, stage: str) -> None:
    package: Package = request.getfixturevalue(stage)
    environment = properties(package, "DownloadBatchLambdaFunction")["Environment"]["Variables"]

    assert str(environment["ALLOW_PRIVATE_HOSTS"]).lower() == "false"


def test_the_disk_holds_the_largest_batch(dev: Package) -> None:
    """64 downloads at once, each of the largest size, and half as much again to spare."""
    function = properties(dev, "DownloadBatchLambdaFunction")
    needed = 64 * int(function["Environment"]["Variables"]["MAX_BYTES"])

    assert function["EphemeralStorage"]["Size"] * 1024 * 1024 >= needed


def test_lambda_has_time_for_a_download_and_step_functions_for_the_lambda(dev: Package) -> None:
    function = properties(dev, "DownloadBatchLambdaFunction")
    batches = dev.machines()["ImagesStateMachine"]["States"]["Download Batches"]
    task = batches["ItemProcessor"]["States"]["Download Batch"]

    assert float(function["Environment"]["Variables"]["ITEM_SECONDS"]) + 60 < function["Timeout"]
    assert function["Timeout"] < task["TimeoutSeconds"]
    assert batches["MaxConcurrency"] == 5


# -- The API ---------------------------------------------------------------------------------


def method(dev: Package) -> dict[str, Any]:
    return properties(dev, "ApiGatewayMethodDownloadsPost")


def test_downloads_start_the_machine_itself_and_nothing_else_may(dev: Package) -> None:
    integration = method(dev)["Integration"]
    (statement,) = dev.statements("ImagesApiRole")

    assert text(integration["Uri"]).endswith(":states:action/StartExecution")
    assert integration["Credentials"] == {"Fn::GetAtt": ["ImagesApiRole", "Arn"]}
    assert statement.actions == ("states:StartExecution",)
    assert statement.resources == ("${ImagesStateMachine}",)


def test_downloads_are_for_signed_requests_with_a_valid_body(dev: Package) -> None:
    validator = properties(dev, text(method(dev)["RequestValidatorId"])[2:-1])
    model = properties(dev, text(method(dev)["RequestModels"]["application/json"])[2:-1])

    assert method(dev)["AuthorizationType"] == "AWS_IAM"
    assert validator["ValidateRequestBody"] is True
    assert model["Schema"]["required"] == ["baseUrl", "resourcePaths", "lambdaConcur"]
    assert set(method(dev)["Integration"]["RequestTemplates"]) == {"application/json"}
