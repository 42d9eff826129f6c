"""The alarms of a stage: they exist, none is raised, and what they publish arrives."""

from typing import Any

import pytest

from local.aws import Deployment, until
from tests.support.checks import only_on_aws


def alarms(aws: Deployment) -> list[dict[str, Any]]:
    names = list(aws.resources("AWS::CloudWatch::Alarm").values())
    found: list[dict[str, Any]] = []
    for start in range(0, len(names), 100):  # DescribeAlarms: 100 names
        some = names[start : start + 100]
        response = aws.client("cloudwatch").describe_alarms(AlarmNames=some, MaxRecords=100)
        found += response["MetricAlarms"]
    return found


@pytest.mark.check("alarms-exist")
def test_every_alarm_of_the_stack_exists_and_notifies_its_topic(aws: Deployment) -> None:
    found = alarms(aws)

    assert len(found) == len(aws.resources("AWS::CloudWatch::Alarm")) > 60
    topic = aws.outputs["AlarmTopicArn"]
    assert [one["AlarmName"] for one in found if topic not in one["AlarmActions"]] == []


@pytest.mark.check("alarms-quiet", only_on_aws="it evaluates no alarm")
def test_no_alarm_is_raised(aws: Deployment) -> None:
    """The checks that fail on purpose raise alarms, minutes after this one has begun."""
    raised = [one["AlarmName"] for one in alarms(aws) if one["StateValue"] == "ALARM"]

    assert raised == [], "an alarm is raised; it may be of an earlier run of the last ten minutes"


@pytest.mark.check("alarm-topic", only_on_aws="its alarms publish nothing")
def test_an_alarm_can_publish_to_the_topic(aws: Deployment) -> None:
    """With an alarm of the test's own, which the history says has published."""
    cloudwatch, name = aws.client("cloudwatch"), aws.name()
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        AlarmDescription="A check by `make verify`: ignore this alarm.",
        AlarmActions=[aws.outputs["AlarmTopicArn"]],
        Namespace="stepworks/verify",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    try:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="make verify")
        only_on_aws(aws, "its alarms publish nothing")

        def published() -> list[str]:
            items = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")
            return [one["HistorySummary"] for one in items["AlarmHistoryItems"]]

        assert all("Successfully executed" in one for one in until("the action", published))
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])
