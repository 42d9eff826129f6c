"""Records of messages in DynamoDB."""

import json
import uuid
from typing import Any

from botocore.exceptions import ClientError

from handlers.messages import strict_json
from handlers.messages.message import Record
from handlers.shared.clock import milliseconds, now
from handlers.shared.errors import error_code, translate_aws_errors


class MessageStore:
    """The table of records.

    Attributes: `messageId` (S, the partition key), `createdAt` and `receivedAt` (N, epoch
    milliseconds), `attempt` (S, the id of the call that wrote the record) and `event` (S, the
    message as JSON text). The message is not stored as a DynamoDB map, because maps refuse empty
    keys, numbers of more than 38 digits and more than 32 levels.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    @translate_aws_errors("recording a message")
    def record(self, record: Record) -> bool:
        """Store a record. Returns False, and changes nothing, if this id is stored already.

        The SDK repeats a request whose response was lost. The repeated request may find the record
        of the first one; it recognises the record by its `attempt` and writes it again, unchanged.
        """
        attempt = {"S": str(uuid.uuid4())}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item={
                    "messageId": {"S": record.message_id},
                    "createdAt": {"N": str(record.created_at)},
                    "event": {"S": strict_json.dump(record.event)},
                    "receivedAt": {"N": str(milliseconds(now()))},
                    "attempt": attempt,
                },
                ConditionExpression="attribute_not_exists(messageId) OR attempt = :attempt",
                ExpressionAttributeValues={":attempt": attempt},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    @translate_aws_errors("reading a message")
    def find(self, message_id: str) -> dict[str, Any] | None:
        """The record as JSON: {messageId, createdAt, event, receivedAt}."""
        response = self._dynamodb.get_item(
            TableName=self._table, Key={"messageId": {"S": message_id}}, ConsistentRead=True
        )
        item = response.get("Item")
        return item and {
            "messageId": item["messageId"]["S"],
            "createdAt": int(item["createdAt"]["N"]),
            "event": json.loads(item["event"]["S"]),
            "receivedAt": int(item["receivedAt"]["N"]),
        }
