"""What a CloudFormation stack has: machines, functions, rules, queues and so on."""

import re
from dataclasses import dataclass, field
from typing import Any

from console.aws import Aws, NotAllowedError, NotFoundError

_KINDS = {
    "AWS::StepFunctions::StateMachine": "machine",
    "AWS::Serverless::StateMachine": "machine",
    "AWS::Lambda::Function": "function",
    "AWS::Lambda::EventInvokeConfig": "invoke config",
    "AWS::Events::Rule": "rule",
    "AWS::Events::EventBus": "bus",
    "AWS::Scheduler::Schedule": "schedule",
    "AWS::SQS::Queue": "queue",
    "AWS::DynamoDB::Table": "table",
    "AWS::DynamoDB::GlobalTable": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::SNS::Topic": "topic",
    "AWS::ApiGateway::RestApi": "api",
    "AWS::ApiGatewayV2::Api": "api",
    "AWS::Logs::LogGroup": "log group",
}
_NESTED = "AWS::CloudFormation::Stack"
EVENT_LOG_OUTPUT = "EventLogTable"


@dataclass(frozen=True)
class Resource:
    """A resource of the stack. `name` is what APIs take: a name, an ARN, or a queue's URL."""

    kind: str
    logical_id: str
    physical_id: str
    title: str

    @property
    def name(self) -> str:
        """The last part of an ARN or URL."""
        return re.split(r"[:/]", self.physical_id)[-1]


@dataclass(frozen=True)
class Machine:
    """A state machine."""

    name: str
    title: str
    arn: str
    type: str  # STANDARD, EXPRESS

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "title": self.title, "type": self.type, "arn": self.arn}


@dataclass(frozen=True)
class Inventory:
    """What was found in a stack."""

    stack: str
    account: str
    outputs: dict[str, str]
    machines: tuple[Machine, ...]
    resources: dict[str, tuple[Resource, ...]] = field(default_factory=dict)  # by kind
    # Functions that write or read the event log. They see every run and are part of none.
    observers: frozenset[str] = frozenset()
    problems: list[dict[str, Any]] = field(default_factory=list)  # what could not be read

    @property
    def event_log(self) -> str | None:
        """Name of the table of events, if the stack keeps one."""
        return self.outputs.get(EVENT_LOG_OUTPUT)

    def machine(self, name: str) -> Machine | None:
        return next((machine for machine in self.machines if machine.name == name), None)

    def of_kind(self, kind: str) -> tuple[Resource, ...]:
        return self.resources.get(kind, ())

    def resource(self, kind: str, name: str) -> Resource | None:
        """The resource of the stack with this name."""
        return next((one for one in self.of_kind(kind) if one.name == name), None)

    def title(self, kind: str, name: str) -> str:
        """The title of a resource by its name; the name itself if it is not of this stack."""
        found = self.resource(kind, name)
        return found.title if found else title(name, self.stack)


def discover(aws: Aws, stack: str) -> Inventory:
    """Everything in the stack, nested stacks included. Raises ConsoleError."""
    try:
        described = aws.call("cloudformation", "describe_stacks", StackName=stack)["Stacks"]
    except Exception as error:
        if "does not exist" in str(error):
            raise _absent(aws, stack) from None
        raise
    if not described:
        raise _absent(aws, stack)
    summaries = list(_resources(aws, stack, set()))
    resources: dict[str, list[Resource]] = {}
    types: dict[str, dict[str, Any]] = {}
    for summary in summaries:
        kind, physical = _KINDS.get(summary["ResourceType"]), summary.get("PhysicalResourceId")
        if kind and physical and not summary["ResourceStatus"].startswith("DELETE"):
            logical = summary["LogicalResourceId"]
            name = re.split(r"[:/]", physical)[-1]
            found = Resource(kind, logical, physical, title(name, stack, logical))
            resources.setdefault(kind, []).append(found)
    problems: list[dict[str, Any]] = []
    if resources.get("machine"):
        try:
            for item in aws.pages("stepfunctions", "list_state_machines", "stateMachines"):
                types[item["stateMachineArn"]] = item
        except NotAllowedError as error:
            problems.append({"what": "types of machines"} | error.as_dict())
    machines = [
        Machine(
            one.name,
            one.title,
            one.physical_id,
            types.get(one.physical_id, {}).get("type", "STANDARD"),
        )
        for one in resources.get("machine", [])
    ]
    stack_id = str(described[0].get("StackId", ""))
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described[0].get("Outputs", [])}
    return Inventory(
        stack,
        stack_id.split(":")[4] if stack_id.count(":") >= 5 else "",
        outputs,
        tuple(sorted(machines, key=lambda machine: machine.title)),
        {
            kind: tuple(sorted(found, key=lambda one: one.title))
            for kind, found in resources.items()
        },
        _observers(aws, outputs.get(EVENT_LOG_OUTPUT), problems),
        problems,
    )


def _observers(aws: Aws, event_log: str | None, problems: list[dict[str, Any]]) -> frozenset[str]:
    """The functions that have the event log in their environment."""
    if event_log is None:
        return frozenset()
    try:
        return frozenset(
            function["FunctionName"]
            for function in aws.pages("lambda", "list_functions", "Functions")
            if event_log in function.get("Environment", {}).get("Variables", {}).values()
        )
    except NotAllowedError as error:  # their lines are among a run's
        problems.append({"what": "functions"} | error.as_dict())
        return frozenset()


def _resources(aws: Aws, stack: str, seen: set[str]) -> Any:
    if stack in seen:
        return
    seen.add(stack)
    for item in aws.pages(
        "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack
    ):
        yield item
        if item["ResourceType"] == _NESTED and item.get("PhysicalResourceId"):
            yield from _resources(aws, item["PhysicalResourceId"], seen)


def _absent(aws: Aws, stack: str) -> NotFoundError:
    where = f"{aws.region} at {aws.endpoint}" if aws.endpoint else aws.region
    return NotFoundError(
        f"There is no stack {stack} in {where}.",
        "Deploy it, or choose another stack (--stack), AWS_REGION or AWS_PROFILE.",
    )


def title(name: str, stack: str, logical_id: str = "") -> str:
    """A resource's name for people: without the stack's name in front and a random end."""
    short = name.removeprefix(f"{stack}-")
    match = re.fullmatch(r"(.+?)-[A-Za-z0-9]{8,}", short)
    if match and logical_id and match[1].lower() == logical_id.lower():  # a bucket's: lower case
        return logical_id
    # A name that is unique in the world often ends so.
    short = re.sub(r"-\d{12}(-[a-z]{2}(-[a-z]+)+-\d)?$", "", short)
    return short or name
