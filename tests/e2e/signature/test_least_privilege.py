"""Each function of the signature workflow with its own role: every other action is denied."""

from typing import Any

import pytest

from local.aws import Aws
from tests.support.permissions import Attempt, is_allowed, send_mail

FUNCTIONS = (
    "signDocument", "requestDocumentSignature", "cancelSignatureRequest",
    "finalizeSignatureRequest", "announceUnsignedDocument", "remindSigner",
    "completeSignatureRequest", "showSignatureRequest", "decideSignatureRequest",
    "listSignatureRequests", "deliverDecisions", "withdrawSignatureRequest",
)  # fmt: skip
KEY = {"requestId": {"S": "least-privilege"}}


def read_request(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").get_item(
        TableName=aws.outputs["SignatureRequestsTable"], Key=KEY
    )


def change_request(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").update_item(
        TableName=aws.outputs["SignatureRequestsTable"],
        Key=KEY,
        UpdateExpression="SET reason = :x",
        ConditionExpression="attribute_exists(requestId)",  # it does not
        ExpressionAttributeValues={":x": {"S": "x"}},
    )


def delete_request(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").delete_item(
        TableName=aws.outputs["SignatureRequestsTable"], Key=KEY
    )


def read_all(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "dynamodb").scan(
        TableName=aws.outputs["SignatureRequestsTable"], Limit=1
    )


def query(index: str, attribute: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "dynamodb").query(
            TableName=aws.outputs["SignatureRequestsTable"],
            IndexName=index,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":value": {"S": "least-privilege"}},
        )

    return attempt


def start_execution(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "stepfunctions").start_execution(
        stateMachineArn=aws.outputs["SignatureStateMachineArn"], input="{}"
    )


def read_history(aws: Aws, function: str) -> Any:
    return aws.client_as(function, "stepfunctions").list_executions(
        stateMachineArn=aws.outputs["SignatureStateMachineArn"]
    )


def schedule(group: str) -> Attempt:
    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "scheduler").create_schedule(
            Name=f"least-privilege-{function}",
            GroupName=group,
            ScheduleExpression="at(2100-01-01T00:00:00)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": "arn:aws:sqs:us-east-1:000000000000:q",
                "RoleArn": "arn:aws:iam::0:role/r",
            },
        )

    return attempt


CHANGERS = {
    "requestDocumentSignature", "cancelSignatureRequest", "remindSigner",
    "completeSignatureRequest", "decideSignatureRequest", "deliverDecisions",
}  # fmt: skip
WRITERS = {"finalizeSignatureRequest", "withdrawSignatureRequest"}
SENDER, SIGNER, OWNER = "stepworks@example.com", "bob@example.com", "owner@example.com"
STRANGER = "stranger@example.com"
ATTEMPTS: dict[str, tuple[Attempt, set[str]]] = {
    "read a request": (read_request, {*CHANGERS, "showSignatureRequest"}),
    "change a request": (change_request, {*CHANGERS, *WRITERS}),
    "delete a request": (delete_request, set()),
    "read all requests": (read_all, set()),
    "list by status": (query("byStatus", "status"), {"listSignatureRequests"}),
    "list by document": (query("byDocument", "documentId"), {"completeSignatureRequest"}),
    "list the undelivered": (query("undelivered", "undelivered"), {"deliverDecisions"}),
    "start an execution": (start_execution, set()),
    "list executions": (read_history, set()),
    "send mail to the signer": (
        send_mail(SENDER, SIGNER),
        {"requestDocumentSignature", "remindSigner"},
    ),
    "send mail to the owner": (send_mail(SENDER, OWNER), {"announceUnsignedDocument"}),
    "send mail to both": (send_mail(SENDER, SIGNER, OWNER), set()),
    "send mail to anyone else": (send_mail(SENDER, STRANGER), set()),
    "send mail from another address": (send_mail(STRANGER, SIGNER), set()),
    "schedule a reminder": (
        schedule("stepworks-local-signature-reminders"),
        {"requestDocumentSignature"},
    ),
    "schedule anything else": (schedule("default"), set()),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_function_may_do_its_own_work_and_nothing_else(
    aws: Aws, function: str, attempt: str
) -> None:
    act, allowed = ATTEMPTS[attempt]

    assert is_allowed(lambda: act(aws, function)) == (function in allowed)
