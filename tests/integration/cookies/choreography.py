"""The whole cookies workflow in this process: its real machines, rules and functions.

The machines run on moto's engine; the rules are those of resources.yml; functions are called as
Lambda calls them for a rule: up to three times, then their failure destination gets the event. A
test says how often, in what order and with what faults events arrive.
"""

import json
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any
from unittest.mock import patch

import yaml
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser.api import ServiceException
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_events,
    state_task_service_sqs,
)
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from handlers.shared import events as shared_events
from tests.support import asl, catalogue
from tests.support.aws_clients import aws_client
from tests.support.patterns import accepts
from tests.support.rule_targets import transformed
from tests.support.services import OK, error
from tests.unit.fakes import FakeContext

WORKFLOW = asl.ROOT / "handlers" / "cookies"
ATTEMPTS = 3  # Lambda invokes an asynchronous event up to three times
END_SECONDS = 60
Fault = Callable[[dict[str, Any], int], None]  # event, attempt; raises what the function fails with


class LambdaTimeoutError(Exception):
    """The function did not end in time; Lambda killed it."""


@dataclass
class Choreography:
    """Deliver every event `copies` times, in any order if `shuffled` by a seed."""

    copies: int = 1
    shuffled: int | None = None
    before: dict[str, Fault] = field(default_factory=dict)  # by function key
    after: dict[str, Fault] = field(default_factory=dict)  # its work done, its result lost
    events: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._prefix = f"stepworks-{uuid.uuid4().hex[:8]}-"  # one stack of its own
        self._rules = list(_rules(self._prefix))
        self._functions = _functions()
        self._pending: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._random = random.Random(self.shuffled)
        self._backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]
        self._states = aws_client("stepfunctions")
        self._machines = {
            f"{name.title().replace('-', '')}StateMachine": self._create(name)
            for name in ("cookies", "cookies-starter", "task-finisher")
        }

    # -- What a test does ----------------------------------------------------------------------

    def start(self, detail: dict[str, Any]) -> str:
        """Put the event that starts a report; returns the ARN of the execution it will have."""
        event = self.put("start", detail)
        machine = self._machines["CookiesStateMachine"]
        return f"{machine.replace(':stateMachine:', ':execution:')}:{event['id']}"

    def put(self, detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
        entry = {"Source": "project", "DetailType": detail_type, "Detail": json.dumps(detail)}
        return self._put(entry)

    def wait_for_end(self, execution: str) -> dict[str, Any]:
        """The described execution, after it has ended and every event is delivered."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if not self._runs("CookiesStateMachine", execution) and self._is_quiet():
                described = self._described(execution)
                assert described
                return described
            time.sleep(0.02)
        raise AssertionError(f"{execution} did not end in {END_SECONDS} s")

    def executions(self, machine: str) -> list[dict[str, Any]]:
        listed = self._states.list_executions(stateMachineArn=self._machines[machine])
        found: list[dict[str, Any]] = listed["executions"]
        return found

    def of_type(self, detail_type: str) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.events if event["detail-type"] == detail_type]

    # -- EventBridge ---------------------------------------------------------------------------

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        results = [{"EventId": self._put(entry)["id"]} for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": results}

    def _put(self, entry: dict[str, Any]) -> dict[str, Any]:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
        with self._changed:
            self.events.append(event)
            for target in _targets(self._rules, event):
                delivery = (target["Arn"], transformed(target, event))
                self._pending += [delivery] * self.copies
            self._changed.notify_all()
        return event

    def _deliver_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopped)
                if self._stopped:
                    return
                position = self._random.randrange(len(self._pending)) if self.shuffled else 0
                target, event = self._pending[position]
            self._deliver(target, event)
            with self._changed:  # only now: until here the delivery counts as pending
                self._pending.remove((target, event))

    def _deliver(self, target: str, event: dict[str, Any]) -> None:
        if target in self._machines:
            self._states.start_execution(
                stateMachineArn=self._machines[target],
                name=str(uuid.uuid4()),
                input=json.dumps(event),
            )
        else:
            self._invoke(target.rpartition(":")[2], event)

    def _is_quiet(self) -> bool:
        with self._changed:
            if self._pending:
                return False
        machines = ("CookiesStarterStateMachine", "TaskFinisherStateMachine")
        return not any(self._runs(machine) for machine in machines)

    def _runs(self, machine: str, execution: str = "") -> bool:
        """Whether an execution of a machine runs, or the given one does or has not been started.

        It is asked of moto itself all the time; moto's API takes a hundred times as long.
        """
        arn = self._machines[machine]
        (found,) = [found for found in self._backend.state_machines if found.arn == arn]
        # moto lists an execution before it has a status
        status = {one.exec_arn: getattr(one, "status", "RUNNING") for one in found.executions}
        return (
            status.get(execution, "RUNNING") == "RUNNING"
            if execution
            else "RUNNING" in status.values()
        )

    # -- Lambda --------------------------------------------------------------------------------

    def _invoke(self, key: str, event: dict[str, Any]) -> None:
        failure: Exception | None = None
        for attempt in range(ATTEMPTS):
            try:
                self._call(key, event, attempt)
                return
            except Exception as error:  # whatever a function raises, Lambda tries it again
                failure = error
        record = json.dumps(
            {
                "requestContext": {
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": ATTEMPTS,
                },
                "requestPayload": event,
                "responsePayload": _response(failure),
            }
        )
        destination = self._functions[key]["destinations"]["onFailure"]["arn"]
        if destination.endswith("CookiesDeadLetterQueue"):
            self.dead_letters.append(json.loads(record))
        else:
            message = {"messageId": str(uuid.uuid4()), "body": record}
            for _ in range(self.copies):
                _handler("reportTaskFailure")({"Records": [message]}, FakeContext())

    def _call(self, key: str, event: dict[str, Any], attempt: int) -> None:
        no_fault: Fault = lambda *_: None  # noqa: E731
        self.before.get(key, no_fault)(event, attempt)
        _handler(key)(json.loads(json.dumps(event)), FakeContext(function_name=key))
        self.after.get(key, no_fault)(event, attempt)

    def send_message(self, QueueUrl: str, MessageBody: str) -> Any:
        self.dead_letters.append(json.loads(MessageBody))
        return {"MessageId": "m", **OK}

    # -- Step Functions --------------------------------------------------------------------------

    def send_task_success(self, TaskToken: str, Output: str) -> Any:
        return self._callback(lambda: self._backend.send_task_success(TaskToken, Output))

    def send_task_failure(self, TaskToken: str, Error: str, Cause: str) -> Any:
        return self._callback(lambda: self._backend.send_task_failure(TaskToken, Error, Cause))

    def start_execution(self, StateMachineArn: str, Name: str, Input: str) -> Any:
        machine = self._machines[StateMachineArn]
        if self._described(f"{machine.replace(':stateMachine:', ':execution:')}:{Name}"):
            raise error("ExecutionAlreadyExists")
        self._states.start_execution(stateMachineArn=machine, name=Name, input=Input)
        return OK

    def _callback(self, send: Callable[[], Any]) -> Any:
        while True:
            try:
                send()
                return OK
            except AttributeError:  # moto looks into executions that have not yet started
                time.sleep(0.01)
            except ServiceException as refused:
                raise error(type(refused).__name__) from refused

    def _create(self, machine: str) -> str:
        created = self._states.create_state_machine(
            name=f"{self._prefix}{machine}",
            definition=json.dumps(asl.definition(machine)),
            roleArn=f"arn:aws:iam::{asl.ACCOUNT}:role/machine",
        )
        return str(created["stateMachineArn"])

    def _described(self, execution: str) -> dict[str, Any] | None:
        try:
            described: dict[str, Any] = self._states.describe_execution(executionArn=execution)
        except (ClientError, AttributeError):  # moto lists an execution before it has a status
            return None
        return described


@contextmanager
def running(choreography: Choreography) -> Iterator[Choreography]:
    """Run it: calls of machines and functions go to it, and it delivers its events."""

    def client(*_: Any, **__: Any) -> Choreography:
        return choreography

    worker = threading.Thread(target=choreography._deliver_all, daemon=True)
    with (
        patch.object(state_task_service_events, "boto_client_for", client),
        patch.object(state_task_service_aws_sdk, "boto_client_for", client),
        patch.object(state_task_service_sqs, "boto_client_for", client),
        patch.object(shared_events, "client", client),
        patch.object(import_module("handlers.cookies.report_task_failure"), "client", client),
    ):
        worker.start()
        try:
            yield choreography
        finally:
            with choreography._changed:
                choreography._stopped = True
                choreography._changed.notify_all()
            worker.join(END_SECONDS)


def _handler(key: str) -> Any:
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()
    return import_module(f"handlers.cookies.{module}").handler


@cache
def _functions() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((WORKFLOW / "functions.yml").read_text(), asl.Loader)
    return loaded


@cache
def _resources() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((WORKFLOW / "resources.yml").read_text(), asl.Loader)
    return loaded


def _rules(prefix: str) -> Iterator[dict[str, Any]]:
    for resource in _resources()["Resources"].values():
        if resource["Type"] == "AWS::Events::Rule":
            yield _deployed(asl.filled(resource["Properties"], "local"), prefix)


def _deployed(value: Any, prefix: str) -> Any:
    """The same in this account, in a stack whose names begin so."""
    text = json.dumps(value).replace("stepworks-local-", prefix)
    text = text.replace("${AWS::Partition}", "aws")
    text = text.replace("${AWS::Region}", asl.REGION).replace(
        "${AWS::AccountId}", DEFAULT_ACCOUNT_ID
    )
    return json.loads(text)


def _targets(rules: list[dict[str, Any]], event: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        target
        for rule in rules
        if accepts(rule["EventPattern"], event)
        for target in rule["Targets"]
    ]


def _response(failure: Exception | None) -> dict[str, Any]:
    if isinstance(failure, LambdaTimeoutError):
        return {"errorMessage": "2026-11-21T10:00:00Z r Task timed out after 30.00 seconds"}
    return {"errorType": type(failure).__name__, "errorMessage": str(failure)}


def validate(event: dict[str, Any]) -> None:
    """The event is in the catalogue, as its schema says, and from a producer of it."""
    catalogue.validate(event["source"], event["detail-type"], event["detail"])
    meta = event["detail"].get("meta")
    if meta:
        entry = catalogue.event(event["source"], event["detail-type"])
        assert f"function {meta['fn']}" in entry.producers
        assert meta["outgoing"] == event["detail-type"]
        incoming = catalogue.event(event["source"], meta["incoming"])
        assert f"function {meta['fn']}" in incoming.consumers or meta["fn"] == "reportTaskFailure"
