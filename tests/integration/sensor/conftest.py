"""The sensor workflow's resources on moto: buckets, tables, mail and a state machine."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from handlers.shared.aws_http import blocking
from handlers.shared.aws_http.batch_writer import BatchWriter
from handlers.shared.clients import client
from tests.support import s3_http
from tests.support.aws_clients import aws_client
from tests.support.dynamodb_http import HttpTable
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

SOURCE, TARGET, KEY = "sensor-source", "sensor-target", "2026/readings (ä).csv"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-sensor:one"


class Killed(BaseException):
    """Lambda ends the function while it works."""


@dataclass
class World:
    """The resources, with helpers for tests."""

    s3: Any
    dynamodb: Any
    states: Any
    state_machine_arn: str

    def upload(self, content: bytes, key: str = KEY) -> dict[str, Any]:
        """Upload a file to the source bucket: the `source` of an event."""
        put = self.s3.put_object(Bucket=SOURCE, Key=key, Body=content)
        source = {"bucketName": SOURCE, "objectKey": key, "etag": put["ETag"].strip('"')}
        return source | ({"versionId": put["VersionId"]} if "VersionId" in put else {})

    def read(self, bucket: str, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body

    def keys(self, bucket: str) -> list[str]:
        return [
            found["Key"] for found in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        ]

    def readings(self) -> dict[tuple[str, str], str]:
        items = self.dynamodb.scan(TableName="readings")["Items"]
        return {(i["sensor_id"]["S"], i["timestamp"]["N"]): i["value"]["N"] for i in items}

    def executions(self) -> dict[str, Any]:
        """The input of each execution by its name."""
        listed = self.states.list_executions(stateMachineArn=self.state_machine_arn)
        described = (
            self.states.describe_execution(executionArn=found["executionArn"])
            for found in listed["executions"]
        )
        return {found["name"]: json.loads(found["input"]) for found in described}

    @property
    def mails(self) -> list[Any]:
        return list(ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages)


@pytest.fixture(params=["versioned", "unversioned"])
def versioning(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, fresh_clients: None) -> Iterator[World]:
    """Empty resources; the source bucket keeps versions."""
    with mock_aws():
        yield create_world(monkeypatch)


def create_world(monkeypatch: pytest.MonkeyPatch, make: Callable[[str], Any] = aws_client) -> World:
    """Create the buckets, tables and settings on moto."""
    s3, dynamodb, states = make("s3"), make("dynamodb"), make("stepfunctions")
    for bucket in (SOURCE, TARGET):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _table(dynamodb, "readings", sensor_id="S", timestamp="N")
    _table(dynamodb, "emails", id="S")
    ses = make("ses")
    for address in ("from@example.com", "to@example.com"):
        ses.verify_email_identity(EmailAddress=address)
    machine = states.create_state_machine(
        name="stepworks-test-sensor",
        definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}',
        roleArn="arn:aws:iam::123456789012:role/machine",
    )
    for name, value in {
        "STATE_MACHINE_ARN": machine["stateMachineArn"],
        "READINGS_TABLE": "readings",
        "TARGET_BUCKET": TARGET,
        "EMAIL_LOG_TABLE": "emails",
        "EMAIL_FROM": "from@example.com",
        "EMAIL_TO": "to@example.com",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(blocking, "open_connection", s3_http.connect)
    monkeypatch.setitem(BatchWriter.__init__.__kwdefaults__, "connect", HttpTable(_write).connect)
    return World(s3, dynamodb, states, machine["stateMachineArn"])


def _write(**request: Any) -> dict[str, Any]:
    """BatchWriteItem on moto's table: the store sends its own requests, which moto does not see."""
    written: dict[str, Any] = client("dynamodb", bulk=True).batch_write_item(**request)
    return written


@pytest.fixture
def any_world(world: World, versioning: str) -> World:
    """`world`, with and without versioning of the source bucket."""
    if versioning == "unversioned":
        world.s3.delete_bucket(Bucket=SOURCE)
        world.s3.create_bucket(Bucket=SOURCE)
    return world


@pytest.fixture
def killed_before(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Kill the function when it is about to call an operation for the first time."""

    def arrange(service: str, operation: str) -> None:
        aws_client = client(service)
        call = getattr(aws_client, operation)

        def kill(**_: Any) -> None:
            monkeypatch.setattr(aws_client, operation, call)
            raise Killed

        monkeypatch.setattr(aws_client, operation, kill)

    return arrange


def _table(dynamodb: Any, name: str, **keys: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": k, "AttributeType": t} for k, t in keys.items()],
        KeySchema=[
            {"AttributeName": k, "KeyType": t}
            for k, t in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
    )
