"""Everything that a run needs: the stack's resources, empty, and what connects them.

S3, DynamoDB and SES are moto's. Lambda, SQS, EventBridge, Scheduler and the API of Step Functions
are this package's, because their order and their time must be those of the timeline.
"""

import copy
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from antlr4 import RuleContext
from botocore.useragent import UserAgentString
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.s3.models import FakeKey, s3_backends
from moto.ses.models import ses_backends

from faults import aws_http, plain_http, stack
from faults.address import Case
from faults.delivery import Deliveries, EventBuses, Queues
from faults.functions import Functions
from faults.letters import Letters
from faults.machines import Machines, forget_threads, on_a_timeline
from faults.network import Network, ServiceError, between_functions_and_aws
from faults.process import current_process, inherited_by_threads, outside_of_processes
from faults.virtual_time import Timeline, patched_clock
from handlers.shared.aws_http.s3 import shared_bucket
from handlers.shared.clients import client
from handlers.shared.observability import metrics_for
from tests.support import asl, garbage, library_caches
from tests.support.engine import engine

ADDRESSES = (
    "stepworks@example.com",
    "operator@example.com",
    "owner@example.com",
    "bob@example.com",
)
_make_client: Callable[[str], Any] = cache(boto3.client)  # its overloads accept only literals


@dataclass
class Mail:
    """A mail that SES accepted, and what was true at that moment."""

    recipient: str
    subject: str
    body: str
    facts: Any = None


class World:
    """One run: its time, its network and its resources."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.timeline = Timeline()
        self.network = Network(self.timeline, case.faults)
        self.deliveries = Deliveries(self.timeline, self.network)
        self.queues = Queues(self.timeline, self.deliveries)
        self.functions = Functions(self.timeline, self.network, self.queues.send)
        self.machines = Machines(self.timeline, self.network)
        self.buses = EventBuses(self.timeline, self.deliveries, stack.folders(case.workflow)[0])
        self.letters = Letters(self.timeline)
        self.mails: list[Mail] = []
        self.published: list[dict[str, Any]] = []  # messages to topics
        self.invoked: list[dict[str, Any]] = []  # events that a person sent to functions
        self.facts_for_mail: Callable[[], Any] = lambda: None
        self.when_mailed: Callable[[Mail], None] = lambda _: None
        self.people: Any = None  # whom a scenario follows
        self.queues.functions = self.buses.functions = self.functions
        self.machines.functions = self.functions
        self.buses.start, self.buses.queues = self.machines.start, self.queues
        self.machines.when_ended = self._publish_status
        self.network.services = {
            "stepfunctions": self.machines.call,
            "events": self._use_events,
            "sqs": self._use_queue,
            "lambda": self._invoke,
            "scheduler": self._schedule,
        }
        self.schedules: set[str] = set()
        self.network.after_mail = self._note_mail
        self.machines.services |= {
            "events": self._use_events,
            "sqs": self._use_queue,
            "sns": self._publish,
            "dynamodb": self._read_table,
        }

    # -- What a scenario does and looks at ---------------------------------------------------------

    @property
    def s3(self) -> Any:
        return _make_client("s3")

    @property
    def dynamodb(self) -> Any:
        return _make_client("dynamodb")

    def start(self, machine: str, input_: Any, name: str) -> None:
        """Start an execution as a person or the API does."""
        arn = stack.machine_arns()[machine]
        self.deliveries.deliver(
            f"start:{stack.machines()[machine]}",
            # A second request has another name: nobody names executions by hand.
            lambda: self.machines.start(arn, self._free_name(arn, name), input_),
        )

    def _free_name(self, arn: str, name: str) -> str:
        taken = {execution.name for execution in self.machines.executions(arn.rpartition(":")[2])}
        return next(n for n in (name, *(f"{name}-{i}" for i in range(2, 99))) if n not in taken)

    def items(self, table: str) -> list[dict[str, Any]]:
        """The items of a table, read from moto itself: its API takes ten times as long."""
        backend = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][asl.REGION]
        return [item.to_json()["Attributes"] for item in backend.get_table(table).all_items()]

    def keys(self, bucket: str) -> list[str]:
        found = self._objects(bucket)
        return [key for key in found if isinstance(found[key], FakeKey)]

    def versions(self, bucket: str, key: str) -> int:
        """How many versions of an object there are: none if it was deleted for good."""
        found = self._objects(bucket).getlist(key, [])
        return sum(isinstance(version, FakeKey) for version in found)

    def _objects(self, bucket: str) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(bucket).keys

    def read(self, bucket: str, key: str) -> bytes:
        body: bytes = self._objects(bucket)[key].value
        return body

    # -- What connects the services ----------------------------------------------------------------

    def _use_events(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "ListTargetsByRule":
            return self.buses.targets_of(parameters["Rule"])
        assert operation == "PutEvents"
        return self.buses.put_events(**parameters)

    def _invoke(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert operation == "Invoke"
        event = {name: value for name, value in parameters.items() if name != "Name"}
        self.invoked.append(event)
        return {"StatusCode": 202}

    def _use_queue(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation != "SendMessage":
            return self.letters.call(operation, parameters)
        body = parameters["MessageBody"]
        self.queues.send(
            parameters["QueueUrl"], body if isinstance(body, str) else json.dumps(body)
        )
        return {"MessageId": "message", "MD5OfMessageBody": ""}

    def _schedule(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert operation == "CreateSchedule"
        name, target = parameters["Name"], parameters["Target"]
        if name in self.schedules:
            raise ServiceError("ConflictException", 409)
        self.schedules.add(name)
        moment = parameters["ScheduleExpression"].removeprefix("at(").removesuffix(")")
        key, event = target["Arn"].rpartition(":")[2], json.loads(target["Input"])
        self.timeline.after(
            datetime.fromisoformat(f"{moment}+00:00").timestamp() - self.timeline.now,
            lambda: self.deliveries.deliver(
                f"schedule:{key}", lambda: self.functions.invoke_later(key, event)
            ),
        )
        return {"ScheduleArn": f"arn:aws:scheduler:::{name}"}

    def _publish(self, _: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.published.append(parameters)
        return {"MessageId": "message"}

    def _read_table(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert operation == "GetItem"
        response: dict[str, Any] = self.dynamodb.get_item(**parameters)
        return response

    def _note_mail(self) -> None:
        sent = ses_backends[DEFAULT_ACCOUNT_ID][asl.REGION].sent_messages[-1]
        (recipient,) = sent.destinations["ToAddresses"]
        with outside_of_processes():
            facts = self.facts_for_mail()
        self.mails.append(Mail(recipient, sent.subject, sent.body, facts))
        self.when_mailed(self.mails[-1])

    def _publish_status(self, execution: Any) -> None:
        machine = execution.state_machine.arn
        self.buses.publish(
            "aws.states",
            "Step Functions Execution Status Change",
            {
                "executionArn": execution.exec_arn,
                "stateMachineArn": machine,
                "name": execution.name,
                "status": execution.status,
                "error": execution.error,
                "cause": execution.cause,
            },
        )


_current: list[World] = []


@contextmanager
def machinery() -> Iterator[None]:
    """Patch what every run needs, once."""
    library_caches.share()
    for function in stack.functions().values():
        import_module(function.module)
    garbage.collect_less_often()
    environment = dict(os.environ)  # functions take theirs, one after the other
    os.environ |= {
        "AWS_DEFAULT_REGION": asl.REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }

    def timeline() -> Timeline:
        return _current[-1].timeline

    with ExitStack() as stack_of_patches:
        stack_of_patches.enter_context(_without_logs())
        stack_of_patches.enter_context(engine())
        stack_of_patches.enter_context(on_a_timeline(timeline, lambda: _current[-1].machines))
        stack_of_patches.enter_context(between_functions_and_aws(lambda: _current[-1].network))
        stack_of_patches.enter_context(
            plain_http.through(lambda: _current[-1].network, lambda: _current[-1].s3)
        )
        stack_of_patches.enter_context(
            aws_http.through(
                lambda: _current[-1].network,
                lambda: _current[-1].dynamodb,
            )
        )
        stack_of_patches.enter_context(inherited_by_threads())
        stack_of_patches.enter_context(patch.object(RuleContext, "getText", _kept_text))
        stack_of_patches.enter_context(
            patch.object(UserAgentString, "to_string", lambda _: "Botocore")
        )
        _forget_clients()
        try:
            yield
        finally:
            _forget_clients()
            metrics_for("").clear_metrics()  # Powertools keeps them for all, until it publishes
            os.environ.clear()
            os.environ |= environment


def _forget_clients() -> None:
    client.cache_clear()
    shared_bucket.cache_clear()


_text_of = RuleContext.getText


def _kept_text(tree: Any) -> str:
    """The text of a part of a definition, put together once: the trees are kept."""
    try:
        text: str = tree.kept_text
    except AttributeError:
        text = tree.kept_text = _text_of(tree)
    return text


@contextmanager
def _without_logs() -> Iterator[None]:
    """Silence functions, and moto's engine, for which a failed state is an error."""
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield
    logging.disable(logging.NOTSET)


@contextmanager
def world_of(case: Case) -> Iterator[World]:
    """A new world, its resources created and empty."""
    BackendDict.reset()
    reset_model_data()  # moto keeps every model that it ever made
    random.seed(0)
    world = World(case)
    _current.append(world)

    def sleep(seconds: float) -> None:
        process = current_process()
        if process:
            process.pause(seconds)
        elif world.timeline.can_sleep:
            world.timeline.sleep(seconds)

    try:
        with patched_clock(lambda: world.timeline, sleep):
            _create_resources(world)
            yield world
    finally:
        _current.remove(world)
        forget_threads()


def _create_resources(world: World) -> None:
    """Create what the workflow needs, in moto itself: its API takes a quarter of a case's time."""
    folders = stack.folders(world.case.workflow)
    s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for name, properties in stack.resources("AWS::S3::Bucket", folders[0]).items():
        bucket = properties.get("BucketName", stack.bucket(name))
        s3.create_bucket(bucket, asl.REGION)
        if "VersioningConfiguration" in properties:
            s3.put_bucket_versioning(bucket, properties["VersioningConfiguration"]["Status"])
    dynamodb = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][asl.REGION]
    tables = [stack.resources("AWS::DynamoDB::Table", folder) for folder in folders]
    for name, properties in chain.from_iterable(found.items() for found in tables):
        dynamodb.create_table(
            name,
            schema=properties["KeySchema"],
            attr=properties["AttributeDefinitions"],
            global_indexes=copy.deepcopy(properties.get("GlobalSecondaryIndexes", [])),
            indexes=[],
            throughput=None,
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )
    for address in ADDRESSES:
        ses_backends[DEFAULT_ACCOUNT_ID][asl.REGION].verify_email_identity(address)
    for machine in stack.machines_of(folders[0]):
        world.machines.create(machine)
