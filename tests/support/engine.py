"""Run a machine on moto's Step Functions engine, its Lambda tasks answered by fakes.

moto's engine is checked against AWS by its authors, so it is the judge of what a definition
means. Retries and Waits take no time here; how long they would have been is recorded.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function

from tests.support import asl

RUN_SECONDS = 30
Task = Callable[[dict[str, Any]], Any]


class TaskError(Exception):
    """An error that a Lambda function ends with, by its class name."""

    def __init__(self, name: str, message: str = "it failed") -> None:
        super().__init__(message)
        self.name = name


def succeeds(result: Any = None) -> Task:
    return lambda _: result


def fails(name: str, message: str = "it failed") -> Task:
    def task(_: dict[str, Any]) -> Any:
        raise TaskError(name, message)

    return task


def times_out(_: dict[str, Any]) -> Any:
    """The task's TimeoutSeconds have passed: `States.Timeout`."""
    raise TimeoutError


def in_turn(*tasks: Task) -> Task:
    """The first call goes to the first task, and so on; the last one answers all that follow."""
    remaining = list(tasks)
    lock = threading.Lock()

    def task(event: dict[str, Any]) -> Any:
        with lock:
            current = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return current(event)

    return task


@dataclass
class Run:
    """What came of an execution."""

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None
    visited: list[str] = field(default_factory=list)  # names of states, in order of entering
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # function, event
    waits: list[float] = field(default_factory=list)  # seconds of Wait states
    retries: list[float] = field(default_factory=list)  # seconds before each retry
    sizes: dict[str, int] = field(default_factory=dict)  # of each state's largest output, in bytes

    def events_of(self, function: str) -> list[dict[str, Any]]:
        return [event for name, event in self.calls if name == function]


def run(machine: str, input_: dict[str, Any], tasks: dict[str, Task], stage: str = "dev") -> Run:
    """Run the machine to its end; `tasks` maps a function's key to what answers for it.

    A function that the machine calls and `tasks` lacks fails the run.
    """
    with engine() as active:
        return active.run(asl.definition(machine, stage), input_, tasks)


@contextmanager
def engine() -> Iterator["Engine"]:
    """moto with its engine on; use it to prepare tables, topics or buses for a machine."""
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield Engine()


class Engine:
    def __init__(self) -> None:
        self.states = boto3.client("stepfunctions", region_name=asl.REGION)

    def run(
        self, definition: dict[str, Any], input_: dict[str, Any], tasks: dict[str, Task]
    ) -> Run:
        result = Run("RUNNING")
        machine = self.states.create_state_machine(
            name=f"machine-{time.monotonic_ns()}",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/machine",
        )["stateMachineArn"]
        with _answered_by(tasks, result), _no_time(result):
            execution = self.states.start_execution(
                stateMachineArn=machine, input=json.dumps(input_)
            )["executionArn"]
            described = self._wait_for(execution)
        result.status = described["status"]
        result.output = json.loads(described["output"]) if "output" in described else None
        result.error, result.cause = described.get("error"), described.get("cause")
        for event in self._history(execution):
            if "stateEnteredEventDetails" in event:
                result.visited.append(event["stateEnteredEventDetails"]["name"])
            elif "stateExitedEventDetails" in event:
                exited = event["stateExitedEventDetails"]
                size = len(exited["output"].encode())
                result.sizes[exited["name"]] = max(size, result.sizes.get(exited["name"], 0))
        return result

    def _wait_for(self, execution: str) -> dict[str, Any]:
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            described: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                return described
            time.sleep(0.02)
        raise AssertionError(f"the execution did not end within {RUN_SECONDS} s")

    def _history(self, execution: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution)
        return [event for page in pages for event in page["events"]]


@contextmanager
def _answered_by(tasks: dict[str, Task], result: Run) -> Iterator[None]:
    def invoke(parameters: dict[str, Any], **_: Any) -> dict[str, Any]:
        function = parameters["FunctionName"].rpartition(":")[2]
        event = json.loads(parameters["Payload"])
        result.calls.append((function, event))
        answer: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        try:
            return answer | {"Payload": tasks[function](event)}
        except TaskError as error:
            failure = {"errorType": error.name, "errorMessage": str(error)}
        except KeyError:
            failure = {"errorType": "NoSuchFake", "errorMessage": f"no fake answers {function}"}
        return answer | {"FunctionError": "Unhandled", "Payload": failure}

    with patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke):
        yield


@contextmanager
def _no_time(result: Run) -> Iterator[None]:
    class Clock:
        sleep = staticmethod(result.retries.append)

    def wait(_: Any, env: Any, wait_seconds: float) -> None:
        result.waits.append(wait_seconds)

    with (
        patch.object(retrier_decl, "time", Clock),
        patch.object(wait_function.WaitFunction, "_wait_interval", wait),
    ):
        yield
