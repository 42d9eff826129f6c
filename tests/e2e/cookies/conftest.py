"""The cookies workflow from outside."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pytest

from local.aws import Aws, Deployment, until
from ops.dead_letters import DeadLetterQueue


class Cookies:
    """The workflow's events, machine, files and dead letters."""

    def __init__(self, aws: Deployment) -> None:
        self.aws = aws
        self.machine = aws.outputs["CookiesStateMachineArn"]
        self.bucket = aws.outputs["CookiesBucket"]
        self.s3 = aws.client("s3")

    def put(self, detail_type: str, detail: dict[str, Any]) -> str:
        """Put an event; returns its id."""
        entry = {
            "Source": "project",
            "DetailType": detail_type,
            "EventBusName": self.bus,
            "Detail": json.dumps(detail),
        }
        response = self.aws.client("events").put_events(Entries=[entry])
        assert response["FailedEntryCount"] == 0
        return str(response["Entries"][0]["EventId"])

    def start(self, detail: dict[str, Any], name: str | None = None) -> str:
        """Start by hand; returns the execution's ARN."""
        started = self.aws.client("stepfunctions").start_execution(
            stateMachineArn=self.machine,
            name=name or self.aws.name(),
            input=json.dumps(detail),
        )
        return str(started["executionArn"])

    @cached_property
    def bus(self) -> str:
        """The event bus of the stage, as the machine's first task names it."""
        states = self.aws.client("stepfunctions")
        definition = states.describe_state_machine(stateMachineArn=self.machine)["definition"]
        (entry,) = json.loads(definition)["States"]["Get Multiple"]["Parameters"]["Entries"]
        return str(entry["EventBusName"])

    def arn(self, name: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"

    def executions(self) -> list[dict[str, Any]]:
        return self.aws.executions(self.machine)

    def started_by(self, event_id: str) -> list[str]:
        return [e["executionArn"] for e in self.executions() if e["name"] == event_id]

    def ended(self, execution: str, seconds: float = 60) -> dict[str, Any]:
        return self.aws.wait_for_end(execution, seconds)

    def files(self, execution: str) -> dict[str, Any]:
        """The content of every file of an execution, by the last part of its key."""
        folder = execution.rpartition(":")[2] + "/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(folder): json.load(
                self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            )
            for key in keys
        }

    def dead_letters(self, marker: str) -> list[dict[str, Any]]:
        """The messages in the dead-letter queue with this marker. They stay there."""
        queue = DeadLetterQueue(self.aws.outputs["CookiesDeadLetterQueueUrl"], self.aws.client)
        return [letter.content for letter in queue.read() if marker in letter.body]

    def logged(self, function: str, marker: str) -> list[str]:
        pages = (
            self.aws.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{self.aws.function_name(function)}")
        )
        messages = [event["message"] for page in pages for event in page["events"]]
        return [message for message in messages if marker in message]

    @contextmanager
    def denied(self, function: str, action: str, key: str) -> Iterator[None]:
        """A function may not do this to files with such a key: a fault of one execution alone."""
        role = (
            self.aws.client("lambda")
            .get_function_configuration(FunctionName=self.aws.function_name(function))["Role"]
            .rpartition("/")[2]
        )
        policy = {"RoleName": role, "PolicyName": f"fault-{uuid.uuid4().hex[:8]}"}
        statement = {
            "Effect": "Deny",
            "Action": action,
            "Resource": f"arn:aws:s3:::{self.bucket}/{key}",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.aws.client("iam").put_role_policy(**policy, PolicyDocument=document)
        try:
            yield
        finally:
            self.aws.client("iam").delete_role_policy(**policy)


@pytest.fixture
def cookies(aws: Deployment) -> Cookies:
    return Cookies(aws)


class Tap:
    """Receives every event of an execution, as any consumer on the bus does."""

    def __init__(self, aws: Aws, queue: str) -> None:
        self._aws = aws
        self._queue = queue
        self._received: list[dict[str, Any]] = []

    def events_of(self, execution: str, detail_type: str) -> list[dict[str, Any]]:
        self._receive()
        return [
            event
            for event in self._received
            if event["detail-type"] == detail_type and event["detail"].get("execution") == execution
        ]

    def wait_for(self, execution: str, detail_type: str, count: int = 1) -> list[dict[str, Any]]:
        def all_received() -> list[dict[str, Any]] | None:
            found = self.events_of(execution, detail_type)
            return found if len(found) >= count else None

        return until(f"{count} × {detail_type}", all_received)

    def _receive(self) -> None:
        sqs = self._aws.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self._received.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def tap(aws: Aws) -> Iterator[Tap]:
    name = f"tap-{uuid.uuid4().hex[:8]}"
    events, sqs = aws.client("events"), aws.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["project"], "detail-type": [{"prefix": "task."}, "async.complete"]}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "tap", "Arn": arn["QueueArn"]}])
    yield Tap(aws, queue)
    events.remove_targets(Rule=name, Ids=["tap"])
    events.delete_rule(Name=name)
    sqs.delete_queue(QueueUrl=queue)


@contextmanager
def delivered_twice(aws: Aws, detail: dict[str, Any]) -> Iterator[None]:
    """Events with this in their detail come twice, with one id, to every target of every rule."""
    events = aws.client("events")
    added = []
    for rule in events.list_rules()["Rules"]:
        pattern = json.loads(rule.get("EventPattern", "{}"))
        if pattern.get("source") != ["project"] or not rule["Name"].startswith("stepworks-"):
            continue
        duplicate = f"duplicate-{uuid.uuid4().hex[:8]}"
        events.put_rule(Name=duplicate, EventPattern=json.dumps(pattern | {"detail": detail}))
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        events.put_targets(Rule=duplicate, Targets=targets)
        added.append((duplicate, [target["Id"] for target in targets]))
    assert len(added) == 7  # six of the workflow, one of the event log
    try:
        yield
    finally:
        for name, ids in added:
            events.remove_targets(Rule=name, Ids=ids)
            events.delete_rule(Name=name)
