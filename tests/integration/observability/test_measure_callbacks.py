"""The measured age of callbacks, with executions on moto's Step Functions."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from handlers.observability.measure_callbacks import handler
from handlers.shared import clients
from handlers.shared.errors import AwsUnavailableError
from tests.support.aws_clients import aws_client
from tests.unit.fakes import FakeContext, client_error
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

QUEUE_TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "End": True,
}


class World:
    """Two machines that send a message with a task token, and wait."""

    def __init__(self) -> None:
        self.states = aws_client("stepfunctions")
        self.sqs = aws_client("sqs")
        self.queue = self.sqs.create_queue(QueueName="tokens")["QueueUrl"]
        self.machines = [self.machine("first"), self.machine("second")]

    def machine(self, name: str) -> str:
        message = {"QueueUrl": self.queue, "MessageBody": {"token.$": "$$.Task.Token"}}
        definition = {"StartAt": "Ask", "States": {"Ask": QUEUE_TASK | {"Parameters": message}}}
        return str(
            self.states.create_state_machine(
                name=name,
                definition=json.dumps(definition),
                roleArn="arn:aws:iam::123456789012:role/machine",
            )["stateMachineArn"]
        )

    def ask(self, machine: str) -> str:
        """Start an execution; returns its task token."""
        self.states.start_execution(stateMachineArn=machine)
        for _ in range(50):
            received = self.sqs.receive_message(QueueUrl=self.queue, WaitTimeSeconds=1)
            for message in received.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                return str(json.loads(message["Body"])["token"])
        raise AssertionError("no message with a token")

    def wait_for_end(self, machine: str) -> None:
        for _ in range(500):
            if not self.states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")[
                "executions"
            ]:
                return
            time.sleep(0.01)
        raise AssertionError("the execution did not end")


@pytest.fixture
def world(fresh_clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        world = World()
        monkeypatch.setenv("CALLBACK_MACHINES", " ".join(world.machines))
        yield world


def later(monkeypatch: pytest.MonkeyPatch, **much: float) -> None:
    when = (datetime.now(UTC) + timedelta(**much)).timestamp()
    monkeypatch.setattr("handlers.observability.measure_callbacks.now", lambda: when)


def test_the_oldest_callback_of_each_machine_is_measured(
    world: World,
    context: FakeContext,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.ask(world.machines[0])
    later(monkeypatch, hours=1)

    measured = handler({}, context)

    assert measured == {"first": pytest.approx(3600, abs=30), "second": 0}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [(line["machine"], line["stage"]) for line in lines] == [
        ("first", "test"),
        ("second", "test"),
    ]
    assert lines[0]["OldestCallbackSeconds"] == [pytest.approx(3600, abs=30)]
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stage", "machine"]]


def test_a_task_that_is_complete_does_not_count(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.ask(world.machines[0])
    world.states.send_task_success(taskToken=token, output="{}")
    world.wait_for_end(world.machines[0])
    later(monkeypatch, hours=1)

    assert handler({}, context) == {"first": 0, "second": 0}


@pytest.mark.parametrize(
    ("code", "raised"),
    [("ThrottlingException", AwsUnavailableError), ("AccessDeniedException", ClientError)],
)
def test_one_machine_that_cannot_be_read_does_not_hide_the_others(
    world: World,
    context: FakeContext,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    raised: type[Exception],
) -> None:
    world.ask(world.machines[1])
    later(monkeypatch, hours=1)
    states = clients.client("stepfunctions")
    make = states.get_paginator

    def failing(name: str) -> Any:
        paginator = make(name)
        paginate = paginator.paginate

        def paginate_or_fail(**parameters: str) -> Any:
            if parameters.get("stateMachineArn") == world.machines[0]:
                raise client_error(code)
            return paginate(**parameters)

        monkeypatch.setattr(paginator, "paginate", paginate_or_fail)
        return paginator

    monkeypatch.setattr(states, "get_paginator", failing)

    with pytest.raises(raised):
        handler({}, context)
    measured = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [line["machine"] for line in measured] == ["second"]
