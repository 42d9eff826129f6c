"""The event log on moto's DynamoDB, with the table of the stack."""

import json
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml
from moto import mock_aws

from handlers.observability import get_job, list_jobs, track_event
from handlers.observability.timeline import STATUS_CHANGE
from tests.support.asl import ROOT, Loader
from tests.support.aws_clients import aws_client
from tests.unit.fakes import FakeContext
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

TABLE = "event-log"
ARN = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-{}:{}"
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:stepworks-test-{}"
SECONDS = 1769860800  # 2026-01-31T12:00:00Z
RESOURCES = ROOT / "handlers" / "observability" / "resources.yml"


class Log:
    """Events as the queue delivers them, and requests as API Gateway hands them on."""

    def __init__(self, context: FakeContext) -> None:
        self.dynamodb = aws_client("dynamodb")
        self.context = context

    def track(self, *events: dict[str, Any]) -> None:
        """Record events in one batch."""
        assert self.tracked(*map(message, events)) == []

    def tracked(self, *messages: dict[str, Any]) -> list[str]:
        """Hand messages to the function; the ids of those that it did not record."""
        result = track_event.handler({"Records": list(messages)}, self.context)
        return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]

    def jobs(self, **query: str) -> dict[str, Any]:
        return list_jobs.handler(
            {"queryStringParameters": query or None, "requestContext": {"requestId": "r"}},
            self.context,
        )

    def job(self, identifier: str, **query: str) -> dict[str, Any]:
        return get_job.handler(
            {
                "pathParameters": {"id": identifier},
                "queryStringParameters": query or None,
                "requestContext": {"requestId": "r"},
            },
            self.context,
        )

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.dynamodb.scan(TableName=TABLE)["Items"]
        return sorted(found, key=lambda item: (item["job"]["S"], item["entry"]["S"]))

    def delete_events(self) -> None:
        """Delete everything but the stage's key."""
        deletions = [
            {"DeleteRequest": {"Key": {name: item[name] for name in ("job", "entry")}}}
            for item in self.items()
            if item["job"]["S"] != "key"
        ]
        if deletions:
            self.dynamodb.batch_write_item(RequestItems={TABLE: deletions})


def message(event: Any, received: int | None = None) -> dict[str, Any]:
    """An event as a message of the queue; its id is the event's."""
    sent = round(time.time() * 1000) if received is None else received
    return {
        "messageId": event["id"] if isinstance(event, dict) else str(event),
        "body": event if isinstance(event, str) else json.dumps(event),
        "attributes": {"SentTimestamp": str(sent)},
    }


def create_table(name: str = TABLE) -> None:
    """The table as resources.yml defines it."""
    properties = _table()
    aws_client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        **{
            name: properties[name]
            for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        },
    )


@cache
def _table() -> dict[str, Any]:
    resources = yaml.load(RESOURCES.read_text(), Loader)["Resources"]
    found: dict[str, Any] = resources["EventLogTable"]["Properties"]
    return found


@pytest.fixture
def log(
    fresh_clients: None, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Log]:
    for name, value in {
        "STAGE": "test",
        "EVENT_LOG_TABLE": TABLE,
        "EVENT_LOG_DAYS": "14",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        track_event._token_key.cache_clear()
        create_table()
        yield Log(context)


def status_change(
    status: str, name: str = "one", *, workflow: str = "cookies", seconds: int = 0, **fields: Any
) -> dict[str, Any]:
    """A change of status; the execution starts at SECONDS, and `seconds` later this happens."""
    start = SECONDS * 1000
    detail = {
        "executionArn": ARN.format(workflow, name),
        "stateMachineArn": MACHINE_ARN.format(workflow),
        "name": name,
        "status": status,
        "startDate": start + (seconds * 1000 if status == "RUNNING" else 0),
        "stopDate": None if status == "RUNNING" else start + seconds * 1000,
        "input": "{}",
        "error": "SomeError" if status == "FAILED" else None,
        **fields,
    }
    return {
        "id": f"{name}-{status}-{seconds}",
        "time": time_of(seconds),
        "source": STATUS_CHANGE[0],
        "detail-type": STATUS_CHANGE[1],
        "detail": detail,
    }


def event(
    detail_type: str, detail: dict[str, Any], *, identifier: str = "e1", seconds: int = 0
) -> dict[str, Any]:
    return {
        "id": identifier,
        "time": time_of(seconds),
        "source": "project",
        "detail-type": detail_type,
        "detail": detail,
    }


def time_of(seconds: int) -> str:
    return f"2026-01-31T12:{seconds // 60:02}:{seconds % 60:02}Z"


def without(items: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in item.items() if k not in names} for item in items]
