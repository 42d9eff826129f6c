"""The machines on moto's engine, on a timeline; and the calls that a machine makes itself."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from moto.core import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    inline_iteration_component,
    job,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import (
    branch_worker,
    branches_decl,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_callback,
    state_task_service_dynamodb,
    state_task_service_events,
    state_task_service_sns,
    state_task_service_sqs,
)
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.callback import callback
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.backend import execution as backend_execution
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

from faults import map_runs, stack
from faults.address import Call
from faults.executions import Executions
from faults.functions import Functions
from faults.kinds import Kind
from faults.network import Network, ServiceError
from faults.virtual_time import Threading, Timeline
from tests.support import asl
from tests.support.services import OK, error

_LATENCY = 0.02
_DELAY = 10.0
# The error name of a task whose call fails, by its integration: see statemachines/error-names.yml.
_ERRORS: dict[str, dict[Kind, str]] = {
    "lambda": {
        Kind.THROTTLED: "Lambda.TooManyRequestsException",
        Kind.UNAVAILABLE: "Lambda.ServiceException",
        Kind.LOST: "Lambda.SdkClientException",
        Kind.KILLED_BEFORE: "Runtime.ExitError",
        Kind.KILLED_AFTER: "Lambda.Unknown",
        Kind.DENIED: "Lambda.AWSLambdaException",
    },
    "sqs": {
        Kind.THROTTLED: "SQS.AmazonSQSException",
        Kind.UNAVAILABLE: "SQS.AmazonSQSException",
        Kind.LOST: "SQS.SdkClientException",
        Kind.DENIED: "SQS.AmazonSQSException",
    },
    "sns": {
        Kind.THROTTLED: "SNS.ThrottledException",
        Kind.UNAVAILABLE: "SNS.InternalErrorException",
        Kind.LOST: "SNS.SdkClientException",
        Kind.DENIED: "SNS.AuthorizationErrorException",
    },
    "events": {
        Kind.THROTTLED: "EventBridge.ThrottlingException",
        Kind.UNAVAILABLE: "EventBridge.FailedEntry",
        Kind.LOST: "EventBridge.SdkClientException",
        Kind.DENIED: "EventBridge.AmazonEventBridgeException",
    },
    "dynamodb": {
        Kind.THROTTLED: "ThrottlingException",
        Kind.UNAVAILABLE: "InternalServerErrorException",
        Kind.LOST: "SdkClientException",
        Kind.DENIED: "AccessDeniedException",
    },
    "sfn": {
        Kind.THROTTLED: "SfnException",
        Kind.UNAVAILABLE: "SfnException",
        Kind.LOST: "SdkClientException",
        Kind.DENIED: "SfnException",
    },
}
_READER_FAILED = StatesErrorNameType.StatesItemReaderFailed  # whatever S3 responds to a Map


class Machines:
    """The machines of the stack: their executions, the tokens of waiting tasks, their calls."""

    def __init__(self, timeline: Timeline, network: Network) -> None:
        self.functions: Functions
        # What machines call beside functions: (operation, parameters) to result.
        self.services: dict[str, Callable[[str, dict[str, Any]], Any]] = {
            "sfn": self._call_step_functions
        }
        self.when_ended: Callable[[Any], None] = lambda _: None
        self.map_runs = map_runs.MapRuns()
        self.waiting: dict[str, Any] = {}  # tokens
        self.ended_at: dict[str, float] = {}
        self.started_at: dict[str, float] = {}
        self._timeline = timeline
        self._network = network
        self.executions_api = Executions(timeline, self.all_executions)
        self.callbacks: list[Any] = []  # outcomes that tasks have taken
        self._tries: Counter[str] = Counter()
        self._backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]

    def create(self, machine: str) -> None:
        self._backend.create_state_machine(
            name=f"stepworks-{stack.STAGE}-{machine}",
            definition=definition_text(machine),
            roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/machine",
        )

    # -- Step Functions, as functions, rules and people use it -------------------------------------

    def start(self, arn: str, name: str, input_: Any) -> str:
        """Start an execution; ServiceError if there is one of that name with another input."""
        for execution in self.executions(arn.rpartition(":")[2]):
            if execution.name == name:
                if execution.input_data == input_ and execution.status == "RUNNING":
                    return str(execution.exec_arn)
                raise ServiceError("ExecutionAlreadyExists")
        execution = self._backend.start_execution(arn, name, json.dumps(input_))
        self.started_at[execution.exec_arn] = self._timeline.now
        return str(execution.exec_arn)

    def executions(self, machine: str) -> list[Any]:
        """The executions of a machine, by its whole name."""
        (found,) = [m for m in self._backend.state_machines if m.name == machine]
        executions: list[Any] = found.executions
        return executions

    def all_executions(self) -> list[Any]:
        return [e for machine in self._backend.state_machines for e in machine.executions]

    def send_task(self, token: str, outcome: Any) -> None:
        """The first callback counts; after that no task waits for the token."""
        endpoint = self.waiting.get(token)
        if endpoint is None or endpoint.get_outcome() is not None:
            raise ServiceError("TaskTimedOut")
        endpoint.notify(outcome=outcome)
        self.callbacks.append(outcome)

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Step Functions' API, for functions."""
        given = {name[0].lower() + name[1:]: value for name, value in parameters.items()}
        response = self.executions_api.call(operation, given)
        if response is not None:
            return response
        match operation:
            case "StartExecution":
                name = given.get("name", str(uuid.uuid4()))
                arn = self.start(given["stateMachineArn"], name, json.loads(given["input"]))
                return {"executionArn": arn}
            case "SendTaskSuccess":
                token = given["taskToken"]
                self.send_task(token, callback.CallbackOutcomeSuccess(token, given["output"]))
            case "SendTaskFailure":
                token = given["taskToken"]
                self.send_task(
                    token,
                    callback.CallbackOutcomeFailure(token, given["error"], given["cause"]),
                )
            case _:
                return self.map_runs.call(operation, given)
        return {}

    def _call_step_functions(self, operation: str, parameters: dict[str, Any]) -> Any:
        try:
            return OK | self.call(operation, parameters)
        except ServiceError as refused:
            raise error(refused.code) from refused

    # -- What a machine calls ----------------------------------------------------------------------

    def perform(self, env: Any, service: str, operation: str, act: Callable[[], Any]) -> Any:
        """Make a call for a state of a machine, unless a fault is in its way."""
        context = env.states.context_object.context_object_data
        machine = context["StateMachine"]["Name"].removeprefix(f"stepworks-{stack.STAGE}-")
        name = context["State"]["Name"]
        caller = f"{machine}/{name}"
        self._tries[caller] += 1
        fault = self._network.note(Call(caller, self._tries[caller], f"{service}:{operation}"))
        self._timeline.sleep(_LATENCY)
        if fault is None:
            return act()
        if service == "s3":  # a Map reads its list
            raise map_runs.failure(env, _READER_FAILED)
        names = _ERRORS[service]
        if fault.kind is Kind.SLOW:
            seconds = _timeouts(machine)[name]
            self._timeline.after(seconds + _DELAY, lambda: _ignoring_errors(act))
            self._timeline.sleep(seconds)
            raise TimeoutError
        if fault.kind in (Kind.LOST, Kind.KILLED_AFTER):
            act()
        raise _failure(env, service, names[fault.kind])

    def invoke(self, env: Any, parameters: dict[str, Any]) -> Any:
        key = parameters["FunctionName"].rpartition(":")[2]
        event = json.loads(parameters["Payload"])
        result = self.perform(env, "lambda", "Invoke", lambda: self.functions.invoke(key, event))
        if result.error:
            raise lambda_eval_utils.LambdaFunctionErrorException(
                "Unhandled", json.dumps(result.failure, separators=(",", ":"))
            )
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": result.payload}

    def ended(self, execution: Any) -> None:
        self.executions_api.ended(execution)
        self.ended_at[execution.exec_arn] = self._timeline.now
        self.when_ended(execution)


def _ignoring_errors(act: Callable[[], Any]) -> None:
    with suppress(ServiceError):
        act()


def _failure(env: Any, service: str, name: str) -> Exception:
    if service in ("dynamodb", "sfn"):
        from_name: Exception = error(name)  # the engine makes its name from this
        return from_name
    details = TaskFailedEventDetails(error=name, cause="a fault", resource="", resourceType=service)
    event = FailureEvent(
        env=env,
        error_name=CustomErrorName(name),
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(taskFailedEventDetails=details),
    )
    failure: Exception = FailureEventException(event)
    return failure


@cache
def definition_text(machine: str) -> str:
    return json.dumps(stack.definition(machine))


@cache
def _timeouts(machine: str) -> dict[str, float]:
    """Seconds until a Task times out, by its name."""
    return {
        found.name: float(found.body.get("TimeoutSeconds", 0))
        for found in asl.states(machine, stack.STAGE)
    }


@cache
def machine_seconds(machine: str) -> float:
    """Seconds until an execution times out."""
    return float(stack.definition(machine)["TimeoutSeconds"])


@contextmanager
def on_a_timeline(
    timeline: Callable[[], Timeline], machines: Callable[[], Machines]
) -> Iterator[None]:
    """moto's engine waits on the timeline, and what a machine calls goes through `machines`."""
    threading = Threading(timeline)
    evaluate = execute_state.ExecutionState._evaluate_with_timeout
    terminated = backend_execution.BaseExecutionWorkerCommunication.terminated

    def evaluate_with_new_token(task: Any, env: Any) -> None:
        """Each try of a task has a token of its own; moto gives all tries the same one."""
        callbacks = state_task_service_callback.StateTaskServiceCallback
        if not (isinstance(task, callbacks) and task._is_integration_pattern()):
            evaluate(task, env)
            return
        token = env.states.context_object.update_task_token()
        machines().waiting[token] = env.callback_pool_manager.add(token)
        try:
            evaluate(task, env)
        finally:
            del machines().waiting[token]

    def invoke(env: Any, parameters: dict[str, Any], **_: Any) -> None:
        env.stack.append(machines().invoke(env, parameters))

    def call(service: str) -> Callable[..., None]:
        def evaluate_task(
            task: Any, env: Any, _runtime: Any, parameters: dict[str, Any], _role: Any
        ) -> None:
            operation = task.resource.api_action
            operation = operation[0].upper() + operation[1:]
            if service == "events":
                task._normalised_request_parameters(env=env, parameters=parameters)

            def act() -> Any:
                return machines().services[service](operation, parameters)

            response = machines().perform(env, service, operation, act)
            env.stack.append({k: v for k, v in response.items() if k != "ResponseMetadata"})

        return lambda task, env, resource_runtime_part, normalised_parameters, state_credentials: (
            evaluate_task(
                task, env, resource_runtime_part, normalised_parameters, state_credentials
            )
        )

    def end(communication: Any) -> None:
        terminated(communication)
        machines().ended(communication.execution)

    class Moment:
        """`datetime.datetime` of a module that stores the time in an execution's context."""

        @staticmethod
        def now(tz: Any = None) -> datetime:
            return datetime.fromtimestamp(timeline().now, UTC)

    services = {
        "sqs": state_task_service_sqs.StateTaskServiceSqs,
        "sns": state_task_service_sns.StateTaskServiceSns,
        "events": state_task_service_events.StateTaskServiceEvents,
        "dynamodb": state_task_service_dynamodb.StateTaskServiceDynamoDB,
        "sfn": state_task_service_aws_sdk.StateTaskServiceAwsSdk,
    }
    clock = SimpleNamespace(datetime=Moment, timezone=SimpleNamespace(utc=UTC))
    with ExitStack() as patches:
        for module in (
            program, execute_state, branch_worker, branches_decl,
            inline_iteration_component, job, environment,
        ):  # fmt: skip
            patches.enter_context(patch.object(module, "threading", threading))
        for module, name in ((execute_state, "Thread"), (execution_worker, "Thread")):
            patches.enter_context(patch.object(module, name, threading.Thread))
        patches.enter_context(patch.object(callback, "Event", threading.Event))
        patches.enter_context(
            patch.object(
                execute_state.ExecutionState, "_evaluate_with_timeout", evaluate_with_new_token
            )
        )
        patches.enter_context(
            patch.object(lambda_eval_utils, "execute_lambda_function_integration", invoke)
        )
        for service, kind in services.items():
            patches.enter_context(patch.object(kind, "_eval_service_task", call(service)))
        patches.enter_context(
            patch.object(backend_execution.BaseExecutionWorkerCommunication, "terminated", end)
        )
        patches.enter_context(
            map_runs.on_a_timeline(
                timeline, lambda: machines().map_runs, lambda: machines().perform
            )
        )
        patches.enter_context(patch.object(state, "datetime", clock))
        patches.enter_context(patch.object(jitter_strategy_decl, "random", random.Random(0)))
        yield


def forget_threads() -> None:
    """moto keeps every thread of every execution."""
    TMP_THREADS.clear()
