"""DynamoDB, Step Functions and EventBridge as the messages handlers know them."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.fakes import client_error


@dataclass
class FakeDynamoDb:
    """PutItem on condition that the key is new, and GetItem; fails in turn with what it is told."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    fails_with: list[Exception] = field(default_factory=list)
    writes: int = 0

    def put_item(
        self,
        TableName: str,
        Item: dict[str, Any],
        ConditionExpression: str,
        ExpressionAttributeValues: dict[str, Any],
    ) -> dict[str, Any]:
        assert TableName == "messages"
        assert ConditionExpression == "attribute_not_exists(messageId) OR attempt = :attempt"
        assert ExpressionAttributeValues == {":attempt": Item["attempt"]}
        self.writes += 1
        if self.fails_with:
            raise self.fails_with.pop(0)
        key = Item["messageId"]["S"]
        if key in self.items:
            raise client_error("ConditionalCheckFailedException")
        self.items[key] = Item
        return {}

    def get_item(self, TableName: str, Key: dict[str, Any], ConsistentRead: bool) -> dict[str, Any]:
        assert TableName == "messages"
        assert ConsistentRead
        if self.fails_with:
            raise self.fails_with.pop(0)
        item = self.items.get(Key["messageId"]["S"])
        return {"Item": item} if item else {}


@dataclass
class FakeStepFunctions:
    """Takes one answer for each token, and refuses every other as AWS does."""

    answers: dict[str, Any] = field(default_factory=dict)
    calls: int = 0
    fails_with: list[Exception] = field(default_factory=list)

    def send_task_success(self, taskToken: str, output: str) -> None:
        self._take(taskToken, json.loads(output))

    def send_task_failure(self, taskToken: str, error: str, cause: str) -> None:
        assert len(error) <= 256
        assert len(cause) <= 32_768
        self._take(taskToken, (error, cause))

    def _take(self, token: str, outcome: Any) -> None:
        self.calls += 1
        if self.fails_with:
            raise self.fails_with.pop(0)
        if token in self.answers:
            raise client_error("TaskTimedOut", message="Provided task does not exist anymore")
        self.answers[token] = outcome


@dataclass
class FakeEventBridge:
    """PutEvents; refuses every event if it is told to."""

    entries: list[dict[str, str]] = field(default_factory=list)
    refuses: bool = False

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        if self.refuses:
            refused = [{"ErrorCode": "InternalFailure"} for _ in Entries]
            return {"FailedEntryCount": len(Entries), "Entries": refused}
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e1"} for _ in Entries]}
