"""The role of each function of the sensor workflow grants what it needs, and nothing else."""

from typing import Any

import pytest

from local.aws import Aws
from tests.support.permissions import Attempt, is_allowed, send_mail

FUNCTIONS = (
    "executeWorkflow", "processFile", "moveFile", "quarantineFile", "sendEmail", "sendFailureEmail",
    "sendMoveFailureEmail",
)  # fmt: skip


def start_execution(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "stepfunctions").start_execution(
        stateMachineArn=aws.outputs["SensorStateMachineArn"],
        input='{"bucketName": "none", "objectKey": "none"}',
    )


def read_source(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").get_object(
        Bucket=aws.outputs["SensorSourceBucket"], Key="no/such.csv"
    )


def delete_source(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").delete_object(
        Bucket=aws.outputs["SensorSourceBucket"], Key="no/such.csv"
    )


def write_target(prefix: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "s3").put_object(
            Bucket=aws.outputs["SensorTargetBucket"], Key=f"{prefix}/least-privilege", Body=b""
        )

    return attempt


def read_target(prefix: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "s3").get_object(
            Bucket=aws.outputs["SensorTargetBucket"], Key=f"{prefix}/no/such.csv"
        )

    return attempt


def write_reading(aws: Aws, function: str) -> Any:
    table = aws.outputs["SensorReadingsTable"]
    item = {"sensor_id": {"S": "least"}, "timestamp": {"N": "1"}, "value": {"N": "1"}}
    return aws.client_as(function, "dynamodb").batch_write_item(
        RequestItems={table: [{"PutRequest": {"Item": item}}]}
    )


def read_readings(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").scan(TableName=aws.outputs["SensorReadingsTable"])


SENDER, OPERATOR = "stepworks@example.com", "operator@example.com"
OTHER = "other@example.com"
MOVERS = {"moveFile", "quarantineFile"}
FINDERS = {"sendFailureEmail", "sendMoveFailureEmail"}  # their mails report where a file is
MAILERS = {"sendEmail", *FINDERS}
ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "start an execution": (start_execution, {"executeWorkflow"}),
    "read an uploaded file": (read_source, {"processFile", *MOVERS, *FINDERS}),
    "delete an uploaded file": (delete_source, MOVERS),
    "write rejected rows": (write_target("rejected"), {"processFile"}),
    "write a processed file": (write_target("processed"), {"moveFile"}),
    "write a failed file": (write_target("failed"), {"quarantineFile"}),
    "read processed": (read_target("processed"), {"moveFile", *FINDERS}),
    "read failed": (read_target("failed"), {"quarantineFile", *FINDERS}),
    "read rejected": (read_target("rejected"), set()),
    "write elsewhere": (write_target("elsewhere"), set()),
    "write a reading": (write_reading, {"processFile"}),
    "read readings": (read_readings, set()),
    "send mail": (send_mail(SENDER, OPERATOR), MAILERS),
    "send mail as another sender": (send_mail(OTHER, OPERATOR), set()),
    "send mail to another recipient": (send_mail(SENDER, OTHER), set()),
    "send mail to an additional recipient": (send_mail(SENDER, OPERATOR, OTHER), set()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_function_may_do_its_own_work_and_nothing_else(
    aws: Aws, function: str, attempt: str
) -> None:
    call, allowed = ATTEMPTS[attempt]

    assert is_allowed(lambda: call(aws, function)) == (function in allowed)
