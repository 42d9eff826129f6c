"""Each function of the sensor workflow with its own role: refused whatever is not its work."""

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


def look_into_target(prefix: str) -> Attempt:
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


US, OPERATOR = "stepworks@example.com", "operator@example.com"
SOMEBODY = "somebody@example.com"
MOVERS = {"moveFile", "quarantineFile"}
SEEKERS = {"sendFailureEmail", "sendMoveFailureEmail"}  # their mails say where a file is
MAILERS = {"sendEmail", *SEEKERS}
ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "start an execution": (start_execution, {"executeWorkflow"}),
    "read an uploaded file": (read_source, {"processFile", *MOVERS, *SEEKERS}),
    "delete an uploaded file": (delete_source, MOVERS),
    "write rejected rows": (write_target("rejected"), {"processFile"}),
    "write a processed file": (write_target("processed"), {"moveFile"}),
    "write a failed file": (write_target("failed"), {"quarantineFile"}),
    "look into processed": (look_into_target("processed"), {"moveFile", *SEEKERS}),
    "look into failed": (look_into_target("failed"), {"quarantineFile", *SEEKERS}),
    "look into rejected": (look_into_target("rejected"), set()),
    "write elsewhere": (write_target("elsewhere"), set()),
    "write a reading": (write_reading, {"processFile"}),
    "read readings": (read_readings, set()),
    "send mail": (send_mail(US, OPERATOR), MAILERS),
    "send mail as somebody else": (send_mail(SOMEBODY, OPERATOR), set()),
    "send mail to somebody else": (send_mail(US, SOMEBODY), set()),
    "send mail to somebody as well": (send_mail(US, OPERATOR, SOMEBODY), set()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_function_may_do_its_own_work_and_nothing_else(
    aws: Aws, function: str, attempt: str
) -> None:
    act, allowed = ATTEMPTS[attempt]

    assert is_allowed(lambda: act(aws, function)) == (function in allowed)
