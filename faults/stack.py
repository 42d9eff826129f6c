"""The service as its YAML files describe it: functions, rules, buckets, tables and machines.

Every resource has its logical id as its name; a bucket has it in lower case.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from tests.support import asl

STAGE = "local"
WORKFLOWS = ("sensor", "messages", "images", "signature", "cookies", "observability", "console")
# The workflow with which a person uses the console: it has whatever the console can act upon.
CONSOLE_WORKFLOW = "messages"
CONSOLE_STACK = f"stepworks-{STAGE}"
_HANDLERS = asl.ROOT / "handlers"


@dataclass(frozen=True)
class Function:
    """A function as functions.yml describes it."""

    key: str
    workflow: str
    module: str
    seconds: float  # its timeout
    attempts: int  # at an asynchronous invocation
    failure_queue: str | None  # its destination after the last one
    environment: dict[str, str]
    source_queue: str | None  # the SQS queue that invokes it
    batch_size: int
    actions: frozenset[str]  # that its own role allows it


@dataclass(frozen=True)
class Rule:
    """An EventBridge rule, its bus and what it sends events to."""

    name: str
    workflow: str
    bus: str
    pattern: dict[str, Any]
    targets: tuple[dict[str, Any], ...]


@cache
def functions() -> dict[str, Function]:
    return {
        key: _function(folder.parent.name, key, body)
        for folder in sorted(_HANDLERS.glob("*/functions.yml"))
        for key, body in _loaded(folder).items()
    }


def _function(workflow: str, key: str, body: dict[str, Any]) -> Function:
    destination = body.get("destinations", {}).get("onFailure", {}).get("arn")
    queues = [event["sqs"] for event in body.get("events", []) if "sqs" in event]
    allowed = [
        asl.filled(statement, STAGE) if isinstance(statement, str) else statement
        for statement in body.get("iamRoleStatements", [])
    ]
    actions = {
        action
        for statement in chain.from_iterable(map(_list, allowed))
        for action in _list(statement["Action"])
    }
    if destination:
        actions.discard("sqs:SendMessage")  # Lambda sends it, after the last attempt
    return Function(
        key=key,
        workflow=workflow,
        module=body["handler"].removesuffix(".handler").replace("/", "."),
        seconds=float(body.get("timeout", 30)),
        attempts=1 + body.get("maximumRetryAttempts", 2),
        failure_queue=destination and destination.rpartition(":")[2],
        environment={
            name: _text(resolved(value)) for name, value in body.get("environment", {}).items()
        }
        | {"STAGE": STAGE},
        source_queue=queues[0]["arn"].rpartition(":")[2] if queues else None,
        batch_size=queues[0].get("batchSize", 10) if queues else 1,
        actions=frozenset(actions),
    )


@cache
def machines() -> dict[str, str]:
    """The name of each machine's file, by the logical id of the machine."""
    loaded = yaml.load((asl.DEFINITIONS / "machines.yml").read_text(), asl.Loader)
    return {
        f"{key[0].upper()}{key[1:]}StateMachine": re.sub(r"(?<!^)(?=[A-Z])", "-", key).lower()
        for key in loaded
    }


@cache
def _is_standard(logical_id: str) -> bool:
    """Whether Step Functions describes executions of a machine, and publishes their status."""
    loaded = [
        *(_loaded(path) for path in _HANDLERS.glob("*/machine.yml")),
        *(body for path in _HANDLERS.glob("*/machines.yml") for body in _loaded(path).values()),
    ]
    name = f"stepworks-${{sls:stage}}-{machines()[logical_id]}"
    return any(body["name"] == name and body["type"] == "STANDARD" for body in loaded)


def folders(workflow: str) -> tuple[str, ...]:
    """The folders of handlers/ whose resources a run of a workflow needs; its own is the first."""
    if workflow == "console":
        return (CONSOLE_WORKFLOW, "observability", "shared")
    return (workflow, "shared")


def machines_of(workflow: str) -> list[str]:
    folder = _HANDLERS / workflow
    loaded = _loaded(folder / "machines.yml") if (folder / "machines.yml").exists() else {}
    names = [body["name"].removeprefix("stepworks-${sls:stage}-") for body in loaded.values()]
    return names or [workflow] * (workflow in asl.machines())


@cache
def machine_arns() -> dict[str, str]:
    """The ARN of each machine, by its logical id."""
    return {
        logical_id: f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:stateMachine:"
        f"stepworks-{STAGE}-{name}"
        for logical_id, name in machines().items()
    }


def definition(machine: str) -> dict[str, Any]:
    """A machine's definition, with names in place of references."""
    loaded: dict[str, Any] = resolved(asl.definition(machine, STAGE))
    return loaded


@cache
def resources(kind: str, folder: str = "*") -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by logical id; or those of one workflow."""
    return {
        logical_id: resolved(resource.get("Properties", {}))
        for path in sorted(_HANDLERS.glob(f"{folder}/resources.yml"))
        for logical_id, resource in (_loaded(path).get("Resources") or {}).items()
        if resource["Type"] == kind
    }


@cache
def rules(workflow: str) -> tuple[Rule, ...]:
    """The rules of a workflow."""
    found = (_loaded(_HANDLERS / workflow / "resources.yml").get("Resources") or {}).items()
    return tuple(
        Rule(
            logical_id,
            workflow,
            properties.get("EventBusName", "default"),
            properties["EventPattern"],
            tuple(properties["Targets"]),
        )
        for logical_id, resource in found
        if resource["Type"] == "AWS::Events::Rule"
        for properties in [resolved(resource["Properties"])]
    )


def cookies_bus() -> str:
    """The bus of the cookies workflow, as its rules name it."""
    return next(rule.bus for rule in rules("cookies") if rule.bus)


def bucket(logical_id: str) -> str:
    return logical_id.lower()


def resolved(value: Any) -> Any:
    """The same with names and ARNs in the place of references."""
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, str):
        return value
    if value == "${file(handlers/observability/machines.js):arns}":
        return [arn for name, arn in machine_arns().items() if _is_standard(name)]
    if ".js)" in value:  # nothing here needs what it computes
        return value
    value = asl.filled(value, STAGE)
    if not isinstance(value, str):
        return value
    for name, pseudo_value in asl.PSEUDO_PARAMETERS.items():
        value = value.replace(f"${{{name}}}", pseudo_value)
    return _names().get(value, value)


@cache
def _names() -> dict[str, str]:
    """What `!Ref` returns, where that is not the logical id itself, and ARNs of machines."""
    buckets = {
        logical_id: bucket(logical_id)
        for path in sorted(_HANDLERS.glob("*/resources.yml"))
        for logical_id, resource in (_loaded(path).get("Resources") or {}).items()
        if resource["Type"] == "AWS::S3::Bucket"
    }
    attributes = {
        f"arn:aws:any:{asl.REGION}:{asl.ACCOUNT}:{logical_id}": arn
        for logical_id, arn in machine_arns().items()
    }
    return buckets | machine_arns() | attributes


@cache
def _loaded(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(path.read_text(), _Loader)
    return loaded


class _Loader(asl.Loader):
    """It also reads tags that matter only to CloudFormation, such as `!Not`."""


_Loader.add_multi_constructor("!", lambda *_: None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def calling_states(machine: str) -> Iterator[str]:
    """The states of a machine that call something: Tasks, nested ones too, and Maps that read."""
    for state in asl.states(machine, STAGE):
        if state.kind == "Task" or "ItemReader" in state.body:
            yield state.name
