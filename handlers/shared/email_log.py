"""The log of mails, which prevents a retried task from sending its mail twice."""

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

RETENTION_SECONDS = 90 * 24 * 3600  # as long as Step Functions keeps a finished execution

_IN_PROGRESS, _COMPLETED = "INPROGRESS", "COMPLETED"


@dataclass(frozen=True)
class Claim:
    """An attempt's exclusive right to send a mail."""

    record_id: str
    attempt: str


@dataclass(frozen=True)
class EarlierAttempt:
    """Another attempt has claimed the mail. `outcome` is None if it is not known."""

    outcome: dict[str, str] | None


class EmailLog:
    """A table with an item for each mail that was or may have been sent, kept for 90 days.

    Attributes of an item:
    - `id`, the partition key: a hash of the mail's key, without address or content.
    - `status`: INPROGRESS until the outcome is known, then COMPLETED.
    - `data`: the outcome as JSON.
    - `attempt`: the id of the attempt that wrote the item.
    - `expiration`: the time to live.

    The SDK repeats a write if its response is lost. Every write here is therefore conditional and
    contains the id of its attempt, so that a repeated write has the same result as the first.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def claim(self, key: str) -> Claim | EarlierAttempt:
        """Record that a mail is about to be sent, unless another attempt has recorded it."""
        claim = Claim(_record_id(key), uuid.uuid4().hex)
        try:
            self._put(claim)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return EarlierAttempt(_outcome(error.response["Item"]))
        except AwsUnavailableError:
            # The record may exist. Removing it lets the next attempt send: nothing was sent yet.
            with suppress(AwsUnavailableError, BotoCoreError, ClientError):
                self.release(claim)
            raise
        return claim

    @translate_aws_errors("recording the outcome of a mail")
    def complete(self, claim: Claim, outcome: Mapping[str, str]) -> None:
        """Record the final outcome."""
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

    @translate_aws_errors("removing the record of a mail that was not sent")
    def release(self, claim: Claim) -> None:
        """Let another attempt send, because this one definitely has not."""
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key={"id": {"S": claim.record_id}},
                ConditionExpression="attempt = :attempt",
                ExpressionAttributeValues={":attempt": {"S": claim.attempt}},
            )
        except ClientError as error:
            # Already removed, perhaps by a repetition of this request, or claimed by another
            # attempt since.
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    @translate_aws_errors("recording a mail")
    def _put(self, claim: Claim) -> None:
        written_at = int(now())
        self._dynamodb.put_item(
            TableName=self._table,
            Item={
                "id": {"S": claim.record_id},
                "status": {"S": _IN_PROGRESS},
                "attempt": {"S": claim.attempt},
                "expiration": {"N": str(written_at + RETENTION_SECONDS)},
            },
            # DynamoDB may take days to remove an expired item.
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
