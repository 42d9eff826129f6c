"""What the emulator leaves out: the logs of machines, and the deletion of expired items."""

import json

import pytest

from local.aws import Deployment, until
from tests.support.checks import only_on_aws


@pytest.mark.check("machine-logs", only_on_aws="its machines write no logs")
def test_the_log_of_a_machine_has_the_error_and_no_data(aws: Deployment) -> None:
    secret = aws.name()
    execution = aws.client("stepfunctions").start_execution(
        stateMachineArn=aws.outputs["SignatureStateMachineArn"],
        name=aws.name(),
        input=json.dumps({"documentId": f"not valid: {secret}"}),
    )["executionArn"]
    assert aws.wait_for_end(execution)["error"] == "InvalidDocumentIdError"
    only_on_aws(aws, "its machines write no logs")

    def logged() -> list[str]:
        pages = aws.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(
            logGroupName=f"/aws/vendedlogs/states/{aws.stack}-signature",
            filterPattern=f'"{execution}"',
        )
        return [event["message"] for page in found for event in page["events"]]

    lines = until("the execution in the machine's log", logged)
    assert "ExecutionFailed" in {json.loads(line)["type"] for line in lines}
    assert [line for line in lines if secret in line] == []


@pytest.mark.check("items-expire", only_on_aws="it keeps items that have expired")
def test_tables_have_an_attribute_for_the_time_to_live(aws: Deployment) -> None:
    tables = aws.resources("AWS::DynamoDB::Table")
    described = {
        name: aws.client("dynamodb").describe_time_to_live(TableName=tables[name])
        for name in ("EmailLogTable", "EventLogTable", "SignatureRequestsTable")
    }

    statuses = {
        name: one["TimeToLiveDescription"]["TimeToLiveStatus"] for name, one in described.items()
    }
    only_on_aws(aws, "it keeps items that have expired")
    assert set(statuses.values()) == {"ENABLED"}, statuses
