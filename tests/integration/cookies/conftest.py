"""The cookies workflow's AWS: a bucket and queues by moto, and a bus that keeps its events."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from handlers.shared import events
from tests.integration.cookies.choreography import validate
from tests.support.aws_clients import aws_client
from tests.support.engine import kept_definitions
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

BUCKET = "cookies"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"
TOKEN = "a token"


@dataclass
class FakeBus:
    """Accepts only events of the catalogue; refuses all while `refuses` is set."""

    events: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        if self.refuses:
            refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "not now"}
            return {"FailedEntryCount": len(Entries), "Entries": [refused] * len(Entries)}
        for entry in Entries:
            assert entry["EventBusName"] == "default"
            event = {
                "source": entry["Source"],
                "detail-type": entry["DetailType"],
                "detail": json.loads(entry["Detail"]),
            }
            validate(event)
            self.events.append(event)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in Entries]}

    @property
    def only(self) -> dict[str, Any]:
        (event,) = self.events
        return event


@dataclass
class World:
    """The state of AWS, as tests read it."""

    s3: Any
    sqs: Any
    dead_letter_queue: str
    bus: FakeBus

    def files(self) -> dict[str, Any]:
        """The content of every file by its key."""
        found = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {
            entry["Key"]: json.load(self.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"])
            for entry in found
        }

    def write(self, key: str, content: Any) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(content))

    def dead_letters(self) -> list[str]:
        response = self.sqs.receive_message(QueueUrl=self.dead_letter_queue, MaxNumberOfMessages=10)
        return [message["Body"] for message in response.get("Messages", [])]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, fresh_clients: None) -> Iterator[World]:
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}), kept_definitions():
        s3, sqs, bus = aws_client("s3"), aws_client("sqs"), FakeBus()
        s3.create_bucket(Bucket=BUCKET)
        queue = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        monkeypatch.setattr(events, "client", {"events": bus}.__getitem__)
        for name, value in {
            "BUCKET": BUCKET,
            "EVENT_BUS_NAME": "default",
            "TOLERATED_FAILURE_SHARE": "0",
            "SIDE_EFFECT_SECONDS": "0",
            "DEAD_LETTER_QUEUE_URL": queue,
        }.items():
            monkeypatch.setenv(name, value)
        yield World(s3, sqs, queue, bus)


def event(detail_type: str, **detail: Any) -> dict[str, Any]:
    """An event as a rule delivers it, of a task that waits."""
    waiting = {"execution": EXECUTION, "stateName": "A State", "TaskToken": TOKEN}
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "source": "project",
        "detail-type": detail_type,
        "detail": waiting | detail,
    }


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    """The same event, without some fields of its detail."""
    remaining = {name: value for name, value in event["detail"].items() if name not in names}
    return event | {"detail": remaining}
