"""The resources of the sensor workflow in the packaged template."""

from typing import Any

from tests.support.packaged import Package, text


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    result: dict[str, Any] = template["Resources"][name]["Properties"]
    return result


def test_every_csv_in_the_source_bucket_calls_the_trigger(template: dict[str, Any]) -> None:
    bucket = properties(template, "SensorSourceBucket")
    calls = bucket["NotificationConfiguration"]["LambdaConfigurations"]

    assert [call["Event"] for call in calls] == ["s3:ObjectCreated:*"] * 2
    assert {text(call["Function"]) for call in calls} == {"${ExecuteWorkflowLambdaFunction.Arn}"}
    assert [call["Filter"]["S3Key"]["Rules"] for call in calls] == [
        [{"Name": "suffix", "Value": ".csv"}],
        [{"Name": "suffix", "Value": ".CSV"}],
    ]


def test_the_permission_exists_before_the_notification(template: dict[str, Any]) -> None:
    """S3 checks the permission when the notification is set."""
    bucket = template["Resources"]["SensorSourceBucket"]
    permission = properties(template, "ExecuteWorkflowS3Permission")

    assert bucket["DependsOn"] == ["ExecuteWorkflowS3Permission"]
    assert text(permission["SourceArn"]).endswith(text(bucket["Properties"]["BucketName"]))
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_failed_events_of_the_trigger_are_retried_and_kept(template: dict[str, Any]) -> None:
    configuration = properties(template, "ExecuteWorkflowLambdaEvConf")

    assert configuration["MaximumRetryAttempts"] == 2
    assert text(configuration["DestinationConfig"]["OnFailure"]["Destination"]) == (
        "${SensorTriggerFailureQueue.Arn}"
    )


def test_both_buckets_keep_versions(template: dict[str, Any]) -> None:
    for name in ("SensorSourceBucket", "SensorTargetBucket"):
        assert properties(template, name)["VersioningConfiguration"] == {"Status": "Enabled"}


def test_readings_have_sensor_and_time_as_key_and_can_be_restored(dev: Package) -> None:
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


def test_the_machine_may_start_child_executions_of_itself_only(dev: Package) -> None:
    role = dev.role_of(dev.resources("AWS::StepFunctions::StateMachine")["SensorStateMachine"])
    granted = {action: one.resources for one in dev.statements(role) for action in one.actions}
    states = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"

    assert granted["states:StartExecution"] == (f"{states}:stateMachine:stepworks-dev-sensor",)
    for action in ("states:DescribeExecution", "states:StopExecution"):
        assert granted[action] == (f"{states}:execution:stepworks-dev-sensor*:*",)
    assert granted["s3:GetObject"] == ("${SensorWorkBucket.Arn}/*",)


def test_work_is_kept_longer_than_an_execution_may_take(dev: Package) -> None:
    (rule,) = properties(dev.template, "SensorWorkBucket")["LifecycleConfiguration"]["Rules"]
    machine = dev.machines()["SensorStateMachine"]

    assert rule["Status"] == "Enabled"
    assert rule["ExpirationInDays"] * 86_400 > machine["TimeoutSeconds"]


def test_the_report_is_sent_after_ten_minutes(dev: Package) -> None:
    states = dev.machines()["SensorStateMachine"]["States"]

    assert states["Wait 10 Minutes"]["Seconds"] == 600
