"""What the sensor workflow asks of AWS, in the packaged template."""

from typing import Any

from tests.support.packaged import Package, text


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def test_every_csv_in_the_source_bucket_calls_the_trigger(template: dict[str, Any]) -> None:
    bucket = properties(template, "SensorSourceBucket")
    calls = bucket["NotificationConfiguration"]["LambdaConfigurations"]

    assert [call["Event"] for call in calls] == ["s3:ObjectCreated:*"] * 2
    assert {text(call["Function"]) for call in calls} == {"${ExecuteWorkflowLambdaFunction.Arn}"}
    assert [call["Filter"]["S3Key"]["Rules"] for call in calls] == [
        [{"Name": "suffix", "Value": ".csv"}],
        [{"Name": "suffix", "Value": ".CSV"}],
    ]


def test_the_bucket_may_call_the_trigger_before_it_is_told_to(template: dict[str, Any]) -> None:
    """S3 checks the permission when the notification is set."""
    bucket = template["Resources"]["SensorSourceBucket"]
    permission = properties(template, "ExecuteWorkflowS3Permission")

    assert bucket["DependsOn"] == ["ExecuteWorkflowS3Permission"]
    assert text(permission["SourceArn"]).endswith(text(bucket["Properties"]["BucketName"]))
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_what_the_trigger_fails_with_is_tried_again_then_kept(template: dict[str, Any]) -> None:
    configuration = properties(template, "ExecuteWorkflowLambdaEvConf")

    assert configuration["MaximumRetryAttempts"] == 2
    assert text(configuration["DestinationConfig"]["OnFailure"]["Destination"]) == (
        "${SensorTriggerFailureQueue.Arn}"
    )


def test_no_upload_replaces_another(template: dict[str, Any]) -> None:
    for name in ("SensorSourceBucket", "SensorTargetBucket"):
        assert properties(template, name)["VersioningConfiguration"] == {"Status": "Enabled"}


def test_readings_are_kept_by_sensor_and_time_and_can_be_restored(dev: Package) -> None:
    table = properties(dev.template, "SensorReadingsTable")

    assert table["KeySchema"] == [
        {"AttributeName": "sensor_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": "sensor_id", "AttributeType": "S"},
        {"AttributeName": "timestamp", "AttributeType": "N"},
    ]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_report_comes_after_ten_minutes(dev: Package) -> None:
    states = dev.machines()["SensorStateMachine"]["States"]

    assert states["Wait 10 Minutes"]["Seconds"] == 600


def test_mail_is_sent_as_one_address_alone(dev: Package) -> None:
    for name in (
        "SendEmailLambdaFunction",
        "SendFailureEmailLambdaFunction",
        "SendMoveFailureEmailLambdaFunction",
    ):
        function = properties(dev.template, name)
        (sending,) = [
            statement
            for statement in dev.statements(dev.role_of(function))
            if "ses:SendEmail" in statement.actions
        ]

        assert sending.conditions == {
            "StringEquals": {"ses:FromAddress": function["Environment"]["Variables"]["EMAIL_FROM"]}
        }
