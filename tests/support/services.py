"""Services that a machine calls by itself, as fakes on moto's engine.

Step Functions names an error after the class of its exception, so each error here has its own.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_sqs,
)

OK = {"ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "r"}}


def error(name: str) -> ClientError:
    """An error response of a service, of a class of that name."""
    metadata = {"HTTPStatusCode": 400, "RequestId": "r"}
    kind: Callable[..., ClientError] = type(name, (ClientError,), {})
    return kind({"Error": {"Code": name, "Message": name}, "ResponseMetadata": metadata}, "call")


@dataclass
class FakeStepFunctions:
    """Tasks that wait, and executions by name; one callback a token, one execution a name."""

    waiting: set[str] = field(default_factory=set)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, Any] = field(default_factory=dict)
    errors: list[ClientError] = field(default_factory=list)  # what the next calls fail with

    # Parameters are named as in a definition, where every one begins with a capital.
    def send_task_success(self, TaskToken: str, Output: str) -> Any:
        return self._callback(TaskToken, {"output": json.loads(Output)})

    def send_task_failure(self, TaskToken: str, Error: str, Cause: str) -> Any:
        # As botocore's model says; AWS responds to a longer one with ValidationException.
        if len(Error) > 256 or len(Cause) > 32_768:
            raise error("Validation")
        return self._callback(TaskToken, {"error": Error, "cause": Cause})

    def start_execution(self, StateMachineArn: str, Name: str, Input: str) -> Any:
        self._fail()
        if Name in self.executions:
            raise error("ExecutionAlreadyExists")
        self.executions[Name] = json.loads(Input)
        return {"executionArn": f"{StateMachineArn}:{Name}", **OK}

    def _callback(self, token: str, result: dict[str, Any]) -> Any:
        self._fail()
        if token not in self.waiting:
            raise error("TaskTimedOut")
        self.waiting.remove(token)
        self.callbacks.append({"token": token, **result})
        return OK

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


@dataclass
class FakeQueues:
    """SendMessage; the messages by queue."""

    messages: list[tuple[str, Any]] = field(default_factory=list)
    error: ClientError | None = None

    def send_message(self, QueueUrl: str, MessageBody: str, **_: Any) -> Any:
        if self.error:
            raise self.error
        self.messages.append((QueueUrl, json.loads(MessageBody)))
        return {"MessageId": "m", **OK}


@contextmanager
def called(states: FakeStepFunctions, queues: FakeQueues) -> Iterator[None]:
    """What a machine on moto's engine calls goes to these."""

    def states_client(**_: Any) -> FakeStepFunctions:
        return states

    def queues_client(**_: Any) -> FakeQueues:
        return queues

    with (
        patch.object(state_task_service_aws_sdk, "boto_client_for", states_client),
        patch.object(state_task_service_sqs, "boto_client_for", queues_client),
    ):
        yield
