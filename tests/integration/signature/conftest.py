"""The signature workflow's AWS, by moto: the table as it is deployed, mail and schedules."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import yaml
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import MockRawResponse
from moto.ses.models import ses_backends

from handlers.shared.clients import client
from handlers.shared.task_tokens import Failure, Outcome, Success
from handlers.signature import decision
from handlers.signature.request import SignatureRequest, Status
from handlers.signature.store import RequestStore
from tests.support import asl
from tests.support.aws_clients import aws_client
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

TABLE, GROUP = "signature-requests", "signature-reminders"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-signature:one"
TABLE_KEYS = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


@dataclass
class FakeMachine:
    """The tokens of waiting tasks, and the callbacks that it received from a client."""

    waiting: set[str] = field(default_factory=set)
    callbacks: list[tuple[str, Outcome]] = field(default_factory=list)
    invalid_tokens: set[str] = field(default_factory=set)
    store: RequestStore | None = None  # if set, each callback is finalized in it at once

    def respond(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """A `before-send` hook of botocore for SendTaskSuccess and SendTaskFailure."""
        sent = json.loads(request.body)
        if "taskToken" not in sent:
            return None  # another operation: moto responds
        token = sent["taskToken"]
        if token in self.invalid_tokens:
            return _response(request, 400, {"__type": "InvalidToken", "message": "no token"})
        if token not in self.waiting:
            return _response(request, 400, {"__type": "TaskTimedOut", "message": "too late"})
        self.waiting.remove(token)
        outcome: Outcome = (
            Success(json.loads(sent["output"]))
            if "output" in sent
            else Failure(sent["error"], sent["cause"])
        )
        self.callbacks.append((token, outcome))
        if self.store:
            self._finalize(token, Status.SIGNED if "output" in sent else Status.DECLINED)
        return _response(request, 200, {})

    def _finalize(self, token: str, status: Status) -> None:
        """As the machine's state Finalize Signature Request does it."""
        for item in aws_client("dynamodb").scan(TableName=TABLE)["Items"]:
            if item.get("taskToken", {}).get("S") == token:
                assert self.store
                self.store.finalize(item["requestId"]["S"], status, time.time())

    def failures(self) -> list[str]:
        return [outcome.error for _, outcome in self.callbacks if isinstance(outcome, Failure)]


def _response(request: AWSPreparedRequest, status: int, body: dict[str, Any]) -> AWSResponse:
    return AWSResponse(request.url, status, {}, MockRawResponse(json.dumps(body)))


@dataclass
class World:
    """The resources of the workflow in AWS, and what is stored in them."""

    dynamodb: Any
    scheduler: Any
    machine: FakeMachine
    store: RequestStore

    def item(self, request_id: str) -> dict[str, Any]:
        key = {"requestId": {"S": request_id}}
        found: dict[str, Any] = self.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
        return found

    def request(self, request_id: str) -> SignatureRequest:
        found = self.store.get(request_id)
        assert found is not None
        return found

    def mails(self) -> list[Any]:
        return list(ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages)

    def code(self, number: int = 0) -> str:
        """The code in the link of a mail."""
        match = re.search(r"\?code=([\w-]+)", json.dumps(self.mails()[number].body))
        assert match is not None
        return match[1]

    def schedules(self) -> list[dict[str, Any]]:
        listed = self.scheduler.list_schedules(GroupName=GROUP)["Schedules"]
        return [
            self.scheduler.get_schedule(GroupName=GROUP, Name=found["Name"]) for found in listed
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, fresh_clients: None) -> Iterator[World]:
    """An AWS without any signature request."""
    machine = FakeMachine()
    monkeypatch.setattr(decision, "MAX_WAIT_SECONDS", 0.3)
    monkeypatch.setattr(decision, "POLL_SECONDS", 0.02)
    with mock_aws():
        client("stepfunctions").meta.events.register("before-send.sfn", machine.respond)
        dynamodb, scheduler = aws_client("dynamodb"), aws_client("scheduler")
        described = deployed_table()
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            **{key: described[key] for key in TABLE_KEYS},
        )
        dynamodb.create_table(
            TableName="emails",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        scheduler.create_schedule_group(Name=GROUP)
        for address in ("from@example.com", "bob@example.com", "owner@example.com"):
            aws_client("ses").verify_email_identity(EmailAddress=address)
        for name, value in {
            "SIGNATURE_REQUESTS_TABLE": TABLE,
            "REMINDERS_GROUP": GROUP,
            "EMAIL_LOG_TABLE": "emails",
            "EMAIL_FROM": "from@example.com",
            "SIGNER_EMAIL": "bob@example.com",
            "OWNER_EMAIL": "owner@example.com",
        }.items():
            monkeypatch.setenv(name, value)
        yield World(dynamodb, scheduler, machine, RequestStore(TABLE))


@cache
def deployed_table() -> dict[str, Any]:
    resources = (asl.ROOT / "handlers" / "signature" / "resources.yml").read_text()
    loaded = yaml.load(resources, asl.Loader)
    properties: dict[str, Any] = loaded["Resources"]["SignatureRequestsTable"]["Properties"]
    return properties
