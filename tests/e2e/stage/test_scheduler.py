"""How late EventBridge Scheduler is: reminders and deliveries depend on it."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.aws import until
from tests.e2e.stage.conftest import Probe
from tests.support.checks import only_on_aws

LATE = "its scheduler looks every ten seconds"


@pytest.mark.check("scheduler-lateness", only_on_aws=LATE)
@pytest.mark.timeout(600)
def test_a_schedule_fires_within_a_minute(probe: Probe) -> None:
    """Decision 0012: within a minute of its time, so half of Bob's time is exact enough."""
    aws = probe.aws
    sqs, scheduler = aws.client("sqs"), aws.client("scheduler")
    queue = sqs.create_queue(QueueName=probe.name)["QueueUrl"]
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=90)
    arn = f"arn:aws:sqs:{aws.region}:{aws.account}:{probe.name}"

    def create() -> bool:
        try:
            scheduler.create_schedule(
                Name=probe.name,
                ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": arn, "RoleArn": probe.role, "Input": json.dumps({"due": True})},
            )
        except ClientError as error:  # IAM takes some seconds until a new role is known
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return False
        return True

    try:
        until("the new role", create, 12)
        only_on_aws(aws, LATE)
        until("the message", lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), 50)
        assert time.time() - due.timestamp() < 60
    finally:
        scheduler.delete_schedule(Name=probe.name)
        sqs.delete_queue(QueueUrl=queue)
