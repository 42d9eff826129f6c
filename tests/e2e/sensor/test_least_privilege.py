"""The role of each function of the sensor workflow grants what it needs, and nothing else."""

from typing import Any

import pytest

from local.aws import Aws
from tests.support.permissions import Attempt, is_allowed, send_mail

FUNCTIONS = (
    "executeWorkflow", "processFile", "moveFile", "quarantineFile", "sendEmail", "sendFailureEmail",
    "sendMoveFailureEmail", "planIngestion", "indexSegment", "reconcilePartition", "processSegment",
    "summarise", "findFailedSegment",
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


def work_bucket(aws: Aws) -> str:
    """It is no output of the stack, because only these functions use it."""
    described = aws.client("cloudformation").describe_stack_resource(
        StackName="stepworks-local", LogicalResourceId="SensorWorkBucket"
    )
    return str(described["StackResourceDetail"]["PhysicalResourceId"])


def write_work(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").put_object(
        Bucket=work_bucket(aws), Key="least-privilege", Body=b""
    )


def read_work(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").get_object(Bucket=work_bucket(aws), Key="no/such")


def list_work(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "s3").list_objects_v2(Bucket=work_bucket(aws))


def list_map_runs(aws: Aws, function: str) -> Any:
    execution = aws.outputs["SensorStateMachineArn"].replace("stateMachine", "execution")
    return aws.client_as(function, "stepfunctions").list_map_runs(executionArn=f"{execution}:none")


def describe_child(aws: Aws, function: str) -> Any:
    execution = aws.outputs["SensorStateMachineArn"].replace("stateMachine", "execution")
    return aws.client_as(function, "stepfunctions").describe_execution(
        executionArn=f"{execution}/IndexSegments:none"
    )


SENDER, OPERATOR = "stepworks@example.com", "operator@example.com"
OTHER = "other@example.com"
MOVERS = {"moveFile", "quarantineFile"}
FINDERS = {"sendFailureEmail", "sendMoveFailureEmail"}  # their mails report where a file is
MAILERS = {"sendEmail", *FINDERS}
READERS = {"planIngestion", "processFile", "indexSegment", "processSegment", *MOVERS, *FINDERS}
ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "start an execution": (start_execution, {"executeWorkflow"}),
    "read an uploaded file": (read_source, READERS),
    "delete an uploaded file": (delete_source, MOVERS),
    "write rejected rows": (write_target("rejected"), {"processFile", "summarise"}),
    "write a processed file": (write_target("processed"), {"moveFile"}),
    "write a failed file": (write_target("failed"), {"quarantineFile"}),
    "read processed": (read_target("processed"), {"moveFile", *FINDERS}),
    "read failed": (read_target("failed"), {"quarantineFile", *FINDERS}),
    "read rejected": (read_target("rejected"), set()),
    "write elsewhere": (write_target("elsewhere"), set()),
    "write a reading": (write_reading, {"processFile", "processSegment"}),
    "write work": (
        write_work,
        {"planIngestion", "indexSegment", "reconcilePartition", "processSegment"},
    ),
    "read work": (read_work, {"reconcilePartition", "processSegment", "summarise"}),
    "list work": (list_work, {"processSegment", "summarise"}),
    "list map runs": (list_map_runs, {"findFailedSegment"}),
    "describe a child execution": (describe_child, {"findFailedSegment"}),
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
