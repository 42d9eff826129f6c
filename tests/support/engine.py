"""Run a machine on moto's Step Functions engine, with fakes for its tasks.

A fake stands for a Lambda function, by its key, or for the consumer of an event that waits with a
task token, by its detail-type.

moto's engine is checked against AWS by its authors, so it is the judge of what a definition
means. Retries and Waits take no time here; how long they would have been is recorded.
"""

import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest.mock import patch

from antlr4 import ParserRuleContext
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval.resource_eval_s3 import (  # noqa: E501
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    distributed_iteration_component,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_events,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import (
    StepFunctionsParserBackend,
    stepfunctions_parser_backends,
)

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


class EventRefusedError(Exception):
    """EventBridge does not take the event: `FailedEntryCount` is not 0."""


def refused(_: dict[str, Any]) -> Any:
    raise EventRefusedError


def in_turn(*tasks: Task) -> Task:
    """The first call goes to the first task, and so on; the last one gets all that follow."""
    remaining = list(tasks)
    lock = threading.Lock()

    def task(event: dict[str, Any]) -> Any:
        with lock:
            current = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return current(event)

    return task


@dataclass
class Run:
    """The result of an execution."""

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None
    visited: list[str] = field(default_factory=list)  # names of states, in order of entering
    # Functions or detail-types, with their input.
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # seconds of Wait states
    retries: list[float] = field(default_factory=list)  # seconds before each retry
    sizes: dict[str, int] = field(default_factory=dict)  # of each state's largest output, in bytes

    def events_of(self, called: str) -> list[dict[str, Any]]:
        """What a function was called with, or the details of the events of a detail-type."""
        return [event for name, event in self.calls if name == called]


def run(machine: str, input_: dict[str, Any], tasks: dict[str, Task], stage: str = "dev") -> Run:
    """Run the machine to its end; `tasks` maps a function's key, or the detail-type of an event,
    to its fake.

    What the machine calls and `tasks` lacks fails the run.
    """
    with engine() as active:
        return active.run(asl.definition(machine, stage), input_, tasks)


@contextmanager
def engine() -> Iterator["Engine"]:
    """moto with its engine on; use it to prepare tables, topics or buses for a machine."""
    with (
        mock_aws(config={"stepfunctions": {"execute_state_machine": True}}),
        kept_definitions(),
        patch.object(_Distributed, "_map_run", _map_run),
        patch.object(ResourceEvalS3, "_handle_get_object", staticmethod(_read_object)),
    ):
        yield Engine()


# moto parses a definition twice for each execution, and a path each time it is evaluated. That took
# most of the time. What is parsed once is kept here; what is invalid fails each time.
_parse = AmazonStateLanguageParser.parse
_validate = cache(StepFunctionsParserBackend._validate_definition)
_json_path = cache(json_path.parse)
_result_path = cache(result_path.parse)


@contextmanager
def kept_definitions() -> Iterator[None]:
    """In any mock, moto parses each definition and each path only once."""
    with (
        patch.object(AmazonStateLanguageParser, "parse", staticmethod(_components)),
        patch.object(StepFunctionsParserBackend, "_validate_definition", staticmethod(_validate)),
        patch.object(json_path, "parse", _json_path),
        patch.object(result_path, "parse", _result_path),
    ):
        yield


# moto runs a distributed Map to its end even if children fail, and returns null for each of these.
# On AWS the Map fails as soon as more than the tolerated number have failed, here: one.
# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
_Distributed = distributed_iteration_component.DistributedIterationComponent
_map_run_upstream = _Distributed._map_run


def _map_run(self: Any, env: Any, eval_input: Any) -> None:
    _map_run_upstream(self, env, eval_input)
    if eval_input.map_run_record.item_counter.failed.get():
        name = StatesErrorName(StatesErrorNameType.StatesExceedToleratedFailureThreshold)
        details = MapRunFailedEventDetails(
            error=name.error_name, cause="The specified tolerated failure threshold was exceeded"
        )
        raise FailureEventException(
            FailureEvent(
                env=env,
                error_name=name,
                event_type=HistoryEventType.MapRunFailed,
                event_details=EventDetails(mapRunFailedEventDetails=details),
            )
        )


def _read_object(env: Any, *_: Any) -> None:
    """What an ItemReader reads: without a request, because no function of ours sends it."""
    location = env.stack.pop()
    s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    env.stack.append(s3.get_object(location["Bucket"], location["Key"]).value.decode())


@cache
def _syntax_tree(definition: str) -> ParserRuleContext:
    return _parse(definition)[1]


@cache
def _new_components(definition: str) -> bytes:
    return pickle.dumps(Preprocessor().visit(_syntax_tree(definition)))


def _components(definition: str) -> tuple[EvalComponent, ParserRuleContext]:
    """What `parse` returns; the components belong to one execution, because they hold its state.

    Each execution has a copy of new ones. To read them from bytes takes a tenth of the time.
    """
    return pickle.loads(_new_components(definition)), _syntax_tree(definition)


class Engine:
    """moto's engine itself. Its API in front of it takes longer than most executions."""

    def __init__(self) -> None:
        self._states = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]

    def run(
        self,
        definition: dict[str, Any],
        input_: dict[str, Any],
        tasks: dict[str, Task],
        second: float = 1,
    ) -> Run:
        """Run a machine to its end. `second`: how long a second of a TimeoutSeconds takes."""
        result = Run("RUNNING")
        machine = self._states.create_state_machine(
            name=f"machine-{time.monotonic_ns()}",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/machine",
        ).arn
        bus = Bus(tasks, result)
        with (
            _with_fakes(tasks, result),
            _on_bus(bus),
            _without_delays(result),
            _time_limits(second),
        ):
            execution = self._execute(machine, json.dumps(input_))
        described = execution.to_describe_output()
        result.status = described["status"]
        result.output = json.loads(described["output"]) if "output" in described else None
        result.error, result.cause = described.get("error"), described.get("cause")
        for event in execution.to_history_output()["events"]:
            if "stateEnteredEventDetails" in event:
                result.visited.append(event["stateEnteredEventDetails"]["name"])
            elif "stateExitedEventDetails" in event:
                exited = event["stateExitedEventDetails"]
                size = len(exited["output"].encode())
                result.sizes[exited["name"]] = max(size, result.sizes.get(exited["name"], 0))
        return result

    def _execute(self, machine: str, input_: str) -> Execution:
        """Start an execution and wait for the end of its thread."""
        threads: list[threading.Thread] = []

        def start(worker: ExecutionWorker) -> None:
            threads.append(threading.Thread(target=worker._execution_logic, daemon=True))
            threads[0].start()

        with patch.object(ExecutionWorker, "start", start):
            name = f"execution-{time.monotonic_ns()}"
            execution = self._states.start_execution(machine, name, input_)
        threads[0].join(RUN_SECONDS)
        assert execution.status != "RUNNING", f"the execution did not end within {RUN_SECONDS} s"
        return execution


@contextmanager
def _with_fakes(tasks: dict[str, Task], result: Run) -> Iterator[None]:
    def invoke(parameters: dict[str, Any], **_: Any) -> dict[str, Any]:
        function = parameters["FunctionName"].rpartition(":")[2]
        event = json.loads(parameters["Payload"])
        result.calls.append((function, event))
        response: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        try:
            return response | {"Payload": tasks[function](event)}
        except TaskError as error:
            failure = {"errorType": error.name, "errorMessage": str(error)}
        except KeyError:
            failure = {"errorType": "NoSuchFake", "errorMessage": f"no fake for {function}"}
        return response | {"FunctionError": "Unhandled", "Payload": failure}

    with patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke):
        yield


class Bus:
    """PutEvents for tasks that wait with a token: their fakes complete them at once."""

    def __init__(self, tasks: dict[str, Task], result: Run) -> None:
        # Not by its client: moto's API loses the cause of a failure.
        self._states = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]
        self._tasks = tasks
        self._result = result

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        results = [self._put(entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries]
        return {
            "FailedEntryCount": sum("ErrorCode" in result for result in results),
            "Entries": results,
        }

    def _put(self, detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
        self._result.calls.append((detail_type, detail))
        token = detail["TaskToken"]
        try:
            output = json.dumps(self._tasks[detail_type](detail))
            self._states.send_task_success(token, output)
        except TaskError as error:
            self._states.send_task_failure(token, error.name, str(error))
        except EventRefusedError:
            return {"ErrorCode": "InternalFailure", "ErrorMessage": "not now"}
        except KeyError:
            cause = f"no fake for {detail_type}"
            self._states.send_task_failure(token, "NoSuchFake", cause)
        return {"EventId": f"event-{time.monotonic_ns()}"}


@contextmanager
def _on_bus(bus: Any) -> Iterator[None]:
    def client_for(**_: Any) -> Any:
        return bus

    with patch.object(state_task_service_events, "boto_client_for", client_for):
        yield


@contextmanager
def _time_limits(second: float) -> Iterator[None]:
    def eval_seconds(self: TimeoutSeconds, env: Any) -> float:
        seconds: float = self.timeout_seconds * second
        return seconds

    with patch.object(TimeoutSeconds, "_eval_seconds", eval_seconds):
        yield


@contextmanager
def _without_delays(result: Run) -> Iterator[None]:
    class Clock:
        sleep = staticmethod(result.retries.append)

    def wait(_: Any, env: Any, wait_seconds: float) -> None:
        result.waits.append(wait_seconds)

    with (
        patch.object(retrier_decl, "time", Clock),
        patch.object(wait_function.WaitFunction, "_wait_interval", wait),
    ):
        yield
