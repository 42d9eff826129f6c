"""The log of mails: what makes a task that is tried again not send its mail again."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from handlers.shared.clock import now
from handlers.shared.errors import AwsUnavailableError, error_code, translate_aws_errors

REMEMBERED_SECONDS = 90 * 24 * 3600  # Step Functions keeps a finished execution as long

_IN_PROGRESS, _COMPLETED = "INPROGRESS", "COMPLETED"


@dataclass(frozen=True)
class Claim:
    """An attempt's right to send a mail: nobody else has it."""

    record_id: str
    attempt: str


@dataclass(frozen=True)
class EarlierAttempt:
    """Another attempt has, or had, the right to send; its outcome, if it is known."""

    outcome: dict[str, str] | None


class EmailLog:
    """A table with an item for each mail that was sent or may have been, for 90 days.

    Partition key `id` (the key's hash: no address, no content); `status` INPROGRESS until the
    outcome is known, then COMPLETED with the outcome as JSON in `data`; `attempt`, who wrote it;
    `expiration`, its time to live.

    The SDK repeats a write whose answer was lost. Every write here is conditional, and names its
    attempt, so that it recognises itself: the repetition has the same result as the first.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def claim(self, key: str) -> Claim | EarlierAttempt:
        """Note that a mail is about to be sent, unless another attempt has noted it before."""
        claim = Claim(_record_id(key), uuid.uuid4().hex)
        try:
            self._put(claim)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return EarlierAttempt(_outcome(error.response["Item"]))
        except AwsUnavailableError:
            # The record may be there: without it, the next attempt knows that nothing was sent.
            with suppress(AwsUnavailableError, BotoCoreError, ClientError):
                self.release(claim)
            raise
        return claim

    @translate_aws_errors("noting what became of a mail")
    def complete(self, claim: Claim, outcome: Mapping[str, str]) -> None:
        """Note the outcome, for good."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"id": {"S": claim.record_id}},
            UpdateExpression="SET #status = :completed, #data = :outcome",
            ConditionExpression="attempt = :attempt",
            ExpressionAttributeNames={"#status": "status", "#data": "data"},
            ExpressionAttributeValues={
                ":completed": {"S": _COMPLETED},
                ":outcome": {"S": json.dumps(outcome)},
                ":attempt": {"S": claim.attempt},
            },
        )

    @translate_aws_errors("noting that a mail was not sent")
    def release(self, claim: Claim) -> None:
        """Let another attempt send: this one surely has not."""
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key={"id": {"S": claim.record_id}},
                ConditionExpression="attempt = :attempt",
                ExpressionAttributeValues={":attempt": {"S": claim.attempt}},
            )
        except ClientError as error:
            # Removed already, by this very request perhaps, or another attempt's by now.
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    @translate_aws_errors("noting a mail")
    def _put(self, claim: Claim) -> None:
        written_at = int(now())
        self._dynamodb.put_item(
            TableName=self._table,
            Item={
                "id": {"S": claim.record_id},
                "status": {"S": _IN_PROGRESS},
                "attempt": {"S": claim.attempt},
                "expiration": {"N": str(written_at + REMEMBERED_SECONDS)},
            },
            # DynamoDB removes what has expired within days, not at once.
            ConditionExpression=(
                "attribute_not_exists(id) OR expiration < :now"
                " OR (attempt = :attempt AND #status = :in_progress)"
            ),
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":now": {"N": str(written_at)},
                ":attempt": {"S": claim.attempt},
                ":in_progress": {"S": _IN_PROGRESS},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )


def _record_id(key: str) -> str:
    return f"mail#{hashlib.sha256(json.dumps(key).encode()).hexdigest()}"


def _outcome(item: Mapping[str, Any]) -> dict[str, str] | None:
    if item["status"]["S"] != _COMPLETED:
        return None
    outcome: dict[str, str] = json.loads(item["data"]["S"])
    return outcome
