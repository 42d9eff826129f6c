"""What a stack is made of and how its parts are connected, as AWS's public APIs tell it.

Read are the definitions of machines, the targets of rules and schedules, the notifications of
buckets, subscriptions of topics, event source mappings, the integrations of APIs, what happens to
failed invocations and messages, and which resources the variables of a function name. No roles.

What the credentials may not read is left out and named in `Topology.problems`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from console.aws import Aws, BadRequestError, ConsoleError, NotFoundError
from console.definition import Definition, Node, parameters, parse
from console.stack import Inventory, Machine, Resource
from console.values import strings

FRESH = 60.0  # seconds until the connections are read again while somebody looks
DEFAULT_BUS = "default"
RULES, METHODS = "rules", "methods of APIs"  # in `Topology.problems`
_DEAD_LETTERS = re.compile(r"dead-?_?letter|dlq|failure", re.IGNORECASE)
SHORTEST_NAME = 6  # characters of a name that is looked for among a function's variables
PARTS = (
    "api",
    "bucket",
    "bus",
    "rule",
    "schedule",
    "machine",
    "function",
    "queue",
    "topic",
    "table",
)
_OF_SERVICE = {
    "lambda": "function",
    "states": "machine",
    "sqs": "queue",
    "sns": "topic",
    "dynamodb": "table",
    "s3": "bucket",
    "events": "bus",
}


@dataclass(frozen=True)
class Part:
    """A resource. One that is not of the stack, but that something of the stack leads to, too."""

    id: str  # kind/name
    kind: str
    name: str
    title: str
    own: bool = True


@dataclass(frozen=True)
class Connection:
    """How one part leads to another.

    kind: invokes, events, notifies, reads, starts, sends, requests, fails (where failures go), uses
    (a variable of the function names the resource).
    """

    source: str
    target: str
    kind: str
    label: str | None = None
    node: str | None = None  # the state of a machine that does it


@dataclass(frozen=True)
class Rule:
    """A rule of EventBridge."""

    name: str
    title: str
    bus: str
    enabled: bool
    pattern: str | None  # JSON text; None: it has a schedule
    schedule: str | None
    targets: tuple[dict[str, Any], ...]


@dataclass
class Topology:
    """The parts of a stack and their connections."""

    parts: dict[str, Part] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    definitions: dict[str, Definition] = field(default_factory=dict)  # by machine name
    rules: list[Rule] = field(default_factory=list)
    # Method and path of the APIs, and what they call.
    methods: list[tuple[str, str]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    # Parts that record or show the events of all runs, and belong to none.
    observers: frozenset[str] = frozenset()

    def leading_to(self, part: str) -> list[Connection]:
        return [one for one in self.connections if one.target == part]

    def takes_failures(self, part: str) -> bool:
        """Whether something of the stack sends its failures there."""
        return any(one.kind == "fails" for one in self.leading_to(part))

    def holds_dead_letters(self, queue: Resource) -> bool:
        """Whether a queue is for what could not be delivered or processed."""
        return names_dead_letters(queue) or self.takes_failures(f"queue/{queue.name}")

    def from_(self, part: str) -> list[Connection]:
        return [one for one in self.connections if one.source == part]


def names_dead_letters(queue: Resource) -> bool:
    """Whether a queue's name says that it is for dead letters."""
    return bool(_DEAD_LETTERS.search(queue.logical_id) or _DEAD_LETTERS.search(queue.name))


class Names:
    """Finds the part that a name, an ARN or a URL means."""

    def __init__(self, inventory: Inventory, topology: Topology) -> None:
        self._topology = topology
        self._stack = inventory.stack
        self._known: dict[str, str] = {}
        for machine in inventory.machines:
            self._add("machine", machine.name, machine.title, machine.arn)
        for kind in PARTS:
            if kind not in ("machine", "rule"):
                for resource in inventory.of_kind(kind):
                    self._add(kind, resource.name, resource.title, resource.physical_id)

    def _add(self, kind: str, name: str, title: str, *forms: str) -> None:
        part = Part(f"{kind}/{name}", kind, name, title)
        self._topology.parts[part.id] = part
        for form in (name, *forms):
            self._known.setdefault(form, part.id)

    def bus(self, name: str) -> str:
        """The part of a bus by its name or ARN."""
        return self.part("bus", re.split(r"[:/]", name or DEFAULT_BUS)[-1])

    def part(self, kind: str, name: str) -> str:
        """The part of a kind with this name, of this stack or not."""
        identifier = f"{kind}/{name}"
        title = name.removeprefix(f"{self._stack}-")
        self._topology.parts.setdefault(identifier, Part(identifier, kind, name, title, False))
        return identifier

    def of(self, text: str) -> str | None:
        """The part that an ARN, a URL or a name stands for. None if the text is none of them."""
        if text in self._known:
            return self._known[text]
        if not text.startswith("arn:") or text.count(":") < 5:
            return self._of_url(text)
        service, resource = text.split(":")[2], text.split(":", 5)[5]
        if service == "lambda":  # without a version or an alias
            resource = resource.removeprefix("function:").partition(":")[0]
        elif service == "states":
            resource = resource.removeprefix("stateMachine:").partition(":")[0]
        elif service == "dynamodb":  # without an index or a stream
            resource = resource.removeprefix("table/").partition("/")[0]
        elif service == "events":
            resource = resource.rpartition("/")[2]
        elif service == "s3":
            resource = resource.partition("/")[0]
        kind = _OF_SERVICE.get(service, "service")
        if kind == "service":
            return self.part(kind, f"{service} {re.split(r'[:/]', resource)[-1]}")
        return self.part(kind, resource)

    def _of_url(self, text: str) -> str | None:
        if re.fullmatch(r"https?://[^/]+/[0-9]{12}/[\w.-]+", text):
            return self._known.get(text.rpartition("/")[2])
        return None

    def mentioned(self, value: Any) -> Iterator[str]:
        """The stack's parts that are named in a value, each once."""
        seen: set[str] = set()
        for text in strings(value):
            found = self._known.get(text) if len(text) >= SHORTEST_NAME else None
            if found is None and text.startswith(("arn:", "http")):
                found = self.of(text)
            if found in self._topology.parts and self._topology.parts[found].own:
                if found not in seen:
                    yield found
                seen.add(found)


def observers(topology: Topology, functions: Iterable[str]) -> frozenset[str]:
    """The parts around functions that observe: their queues, and rules that lead nowhere else.

    A queue's dead-letter queue is one of them, too, if nothing else sends failures there.
    """
    found = {f"function/{name}" for name in functions}
    while True:
        more = set()
        for part in topology.parts.values():
            if part.id in found:
                continue
            around: list[list[str]] = []
            if part.kind in ("queue", "rule"):
                leaving = topology.from_(part.id)
                around.append([one.target for one in leaving if one.kind != "fails"])
            if part.kind == "queue":
                coming = topology.leading_to(part.id)
                around.append([one.source for one in coming if one.kind == "fails"])
            if any(parts and found.issuperset(parts) for parts in around):
                more.add(part.id)
        if not more:
            return frozenset(found)
        found |= more


# -- Machines -------------------------------------------------------------------------------------


def of_machine(names: Names, machine: str, definition: Definition) -> Iterator[Connection]:
    """What the states of a machine invoke, start, send to, read and write."""
    source = names.part("machine", machine)
    for node in definition.nodes.values():
        if node.type == "Task":
            yield from _of_task(names, source, node)
        elif node.type == "Map":
            for name in ("ItemReader", "ResultWriter"):
                for target in names.mentioned(node.definition.get(name)):
                    yield Connection(source, target, "sends", node.name, node.id)


def _of_task(names: Names, source: str, node: Node) -> Iterator[Connection]:
    function = node.function
    if function is not None:
        if not function.startswith(("$", "{%")):  # known only when it runs
            target = names.of(function) or names.part("function", function.partition(":")[0])
            yield Connection(source, target, "invokes", node.name, node.id)
        return
    sent = parameters(node.definition)
    if ":events:putEvents" in node.resource:
        entries = sent.get("Entries")
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict):
                bus = entry.get("EventBusName", DEFAULT_BUS)
                label = f"{node.name}: {entry.get('DetailType', 'event')}"
                yield Connection(source, names.bus(str(bus)), "events", label, node.id)
        return
    kind = "starts" if "startExecution" in node.resource else "sends"
    for target in names.mentioned(sent):
        yield Connection(source, target, kind, node.name, node.id)


# -- Other parts ----------------------------------------------------------------------------------


def of_rule(names: Names, rule: Rule) -> Iterator[Connection]:
    """A rule's bus and targets, and where events go that do not reach a target."""
    source = f"rule/{rule.bus}|{rule.name}"
    if rule.schedule is None:
        yield Connection(names.bus(rule.bus), source, "events", about_pattern(rule.pattern))
    for target in rule.targets:
        found = names.of(target["Arn"])
        if found is not None:
            yield Connection(source, found, "events", rule.schedule)
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
        if dead_letters and (found := names.of(dead_letters)):
            yield Connection(source, found, "fails", "events that reach no target")


def about_pattern(pattern: str | None) -> str | None:
    """What a pattern asks for, in a few words: its detail-types, or else its sources."""
    try:
        value = json.loads(pattern or "")
    except ValueError:
        return None
    for name in ("detail-type", "source"):
        wanted = value.get(name) if isinstance(value, dict) else None
        words = [one for one in wanted or [] if isinstance(one, str)]
        if words:
            return ", ".join(words[:3]) + (" …" if len(words) > 3 else "")
    return None


def of_bucket(names: Names, bucket: str, found: dict[str, Any]) -> Iterator[Connection]:
    """What a bucket notifies (GetBucketNotificationConfiguration)."""
    source = names.part("bucket", bucket)
    keys = (
        ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
        ("QueueConfigurations", "QueueArn"),
        ("TopicConfigurations", "TopicArn"),
    )
    for name, arn in keys:
        for one in found.get(name, []):
            target = names.of(one[arn])
            if target is not None:
                yield Connection(source, target, "notifies", _about_notification(one))
    if "EventBridgeConfiguration" in found:
        yield Connection(source, names.bus(DEFAULT_BUS), "events", "Amazon S3's events")


def _about_notification(one: dict[str, Any]) -> str:
    filters = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    by_name = {str(rule["Name"]).lower(): rule["Value"] for rule in filters}
    key = f"{by_name.get('prefix', '')}*{by_name.get('suffix', '')}" if by_name else ""
    events = ", ".join(event.removeprefix("s3:") for event in one.get("Events", []))
    return f"{events} {key}".strip()


def of_function(names: Names, found: dict[str, Any]) -> Iterator[Connection]:
    """What a function's configuration names (ListFunctions)."""
    source = names.part("function", found["FunctionName"])
    dead_letters = found.get("DeadLetterConfig", {}).get("TargetArn")
    if dead_letters and (target := names.of(dead_letters)):
        yield Connection(source, target, "fails", "invocations that failed")
    for target in names.mentioned(found.get("Environment", {}).get("Variables", {})):
        if target != source:
            yield Connection(source, target, "uses", None)


def of_destinations(names: Names, function: str, found: dict[str, Any]) -> Iterator[Connection]:
    """Where the results of asynchronous invocations go (ListFunctionEventInvokeConfigs)."""
    source = names.part("function", function)
    for name, kind, label in (
        ("OnFailure", "fails", "invocations that failed"),
        ("OnSuccess", "sends", "invocations that succeeded"),
    ):
        arn = found.get("DestinationConfig", {}).get(name, {}).get("Destination")
        if arn and (target := names.of(arn)):
            yield Connection(source, target, kind, label)


def of_mapping(names: Names, found: dict[str, Any]) -> Iterator[Connection]:
    """An event source mapping: what a function reads."""
    source, target = names.of(found.get("EventSourceArn", "")), names.of(found["FunctionArn"])
    if source and target:
        yield Connection(source, target, "reads", _about_mapping(found))


def _about_mapping(found: dict[str, Any]) -> str | None:
    off = "" if found.get("State") in (None, "Enabled", "Enabling") else f" ({found['State']})"
    size = found.get("BatchSize")
    return f"up to {size} at once{off}" if size else off.strip() or None


def of_queue(names: Names, url: str, attributes: dict[str, str]) -> Iterator[Connection]:
    """A queue's dead-letter queue."""
    try:
        policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    except ValueError:
        return
    source, target = names.of(url), names.of(str(policy.get("deadLetterTargetArn", "")))
    if source and target:
        count = policy.get("maxReceiveCount")
        yield Connection(source, target, "fails", f"after {count} attempts")


def of_api(names: Names, api: str, methods: Iterable[tuple[str, str]]) -> Iterator[Connection]:
    """What the methods of an API call. `methods`: method and path, and the integration's text."""
    source = names.part("api", api)
    for label, integration in methods:
        for arn in dict.fromkeys(_ARN.findall(integration)):
            target = names.of(arn)
            if target is not None:
                kind = "starts" if target.startswith("machine/") else "requests"
                yield Connection(source, target, kind, label)


_ARN = re.compile(r"arn:aws[\w-]*:(?:lambda|states|sqs|sns|dynamodb):[\w-]*:\d{12}:[\w.:-]+")


def schedule_text(expression: str) -> str:
    """`rate(5 minutes)` → every 5 minutes; others as they are."""
    match = re.fullmatch(r"rate\((\d+) (\w+?)s?\)", expression)
    if match:
        return f"every {match[2]}" if match[1] == "1" else f"every {match[1]} {match[2]}s"
    return expression


def read_rule(aws: Aws, resource: Resource, buses: list[str]) -> Rule | None:
    """A rule of the stack with its targets. `buses`: where to look for it if its id does not say.

    None if there is none any more.
    """
    # The physical id is `bus|rule`; on the default bus, and in the emulator, the rule alone.
    bus, _, name = resource.physical_id.rpartition("|")
    name = name.rpartition("/")[2]
    for on in [bus] if bus else [DEFAULT_BUS, *buses]:
        try:
            found = aws.call("events", "describe_rule", Name=name, EventBusName=on)
        except (NotFoundError, BadRequestError):
            continue
        targets = aws.call("events", "list_targets_by_rule", Rule=name, EventBusName=on)
        schedule = found.get("ScheduleExpression")
        return Rule(
            name,
            resource.title.rpartition("|")[2],
            re.split(r"[:/]", on)[-1],
            found.get("State") != "DISABLED",
            found.get("EventPattern"),
            schedule_text(schedule) if schedule else None,
            tuple(targets["Targets"]),
        )
    return None


# -- Reading --------------------------------------------------------------------------------------


class Reader:
    """Reads the topology of a stack."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="console-topology")

    def read(self, inventory: Inventory) -> Topology:
        """The stack's parts and connections. Raises no error for what may not be read."""
        topology = Topology()
        names = Names(inventory, topology)
        jobs: list[tuple[str, Callable[[], Any]]] = []

        def job(what: str, do: Callable[..., Any], *arguments: Any) -> None:
            jobs.append((what, lambda: do(*arguments)))

        for machine in inventory.machines:
            job("definitions of machines", self._machine, machine)
        for rule in inventory.of_kind("rule"):
            job(RULES, self._rule, rule, [bus.name for bus in inventory.of_kind("bus")])
        for bucket in inventory.of_kind("bucket"):
            job("notifications of buckets", self._bucket, bucket)
        for queue in inventory.of_kind("queue"):
            job("queues", self._queue, queue)
        for topic in inventory.of_kind("topic"):
            job("subscriptions of topics", self._topic, topic)
        for schedule in inventory.of_kind("schedule"):
            job("schedules", self._schedule, schedule)
        for api in inventory.of_kind("api"):
            job(METHODS, self._api, api)
        functions = {one.name for one in inventory.of_kind("function")}
        if functions:
            job("functions", self._functions, functions)
            job("event source mappings", self._mappings, functions)
        for function in sorted(_with_destinations(inventory, functions)):
            job("destinations of functions", self._destinations, function)

        # Reading is done in threads; what is read is put together in this one.
        for (what, _), outcome in zip(jobs, self._pool.map(_attempt, jobs), strict=True):
            if isinstance(outcome, ConsoleError):
                problem = {"what": what} | outcome.as_dict()
                if problem not in topology.problems:
                    topology.problems.append(problem)
                continue
            topology.connections += outcome(names, topology)
        topology.connections = list(dict.fromkeys(topology.connections))
        topology.observers = observers(topology, inventory.observers)
        return topology

    # Each reads from AWS, and returns how what it read becomes connections.

    def _machine(self, machine: Machine) -> Any:
        described = self._aws.call(
            "stepfunctions", "describe_state_machine", stateMachineArn=machine.arn
        )
        definition = parse(described["definition"])

        def take(names: Names, topology: Topology) -> list[Connection]:
            topology.definitions[machine.name] = definition
            return list(of_machine(names, machine.name, definition))

        return take

    def _rule(self, resource: Resource, buses: list[str]) -> Any:
        rule = read_rule(self._aws, resource, buses)

        def take(names: Names, topology: Topology) -> list[Connection]:
            if rule is None:
                return []
            identifier = f"rule/{rule.bus}|{rule.name}"
            topology.rules.append(rule)
            topology.parts[identifier] = Part(identifier, "rule", rule.name, rule.title)
            return list(of_rule(names, rule))

        return take

    def _bucket(self, bucket: Resource) -> Any:
        found = self._aws.call(
            "s3", "get_bucket_notification_configuration", Bucket=bucket.physical_id
        )
        return lambda names, _: list(of_bucket(names, bucket.name, found))

    def _queue(self, queue: Resource) -> Any:
        found = self._aws.call(
            "sqs",
            "get_queue_attributes",
            QueueUrl=queue.physical_id,
            AttributeNames=["RedrivePolicy"],
        ).get("Attributes", {})
        return lambda names, _: list(of_queue(names, queue.physical_id, found))

    def _topic(self, topic: Resource) -> Any:
        found = list(
            self._aws.pages(
                "sns",
                "list_subscriptions_by_topic",
                "Subscriptions",
                TopicArn=topic.physical_id,
            )
        )
        return lambda names, _: [
            Connection(f"topic/{topic.name}", target, "notifies", None)
            for one in found
            if (target := names.of(one["Endpoint"]))
        ]

    def _schedule(self, schedule: Resource) -> Any:
        # The physical id is the name, or `group|name`.
        group, _, name = schedule.physical_id.rpartition("|")
        found = self._aws.call(
            "scheduler",
            "get_schedule",
            Name=name.rpartition("/")[2],
            **({"GroupName": group} if group else {}),
        )
        target = found["Target"]

        def take(names: Names, _: Topology) -> list[Connection]:
            source = names.part("schedule", schedule.name)
            label = schedule_text(found.get("ScheduleExpression", ""))
            arns = [
                (target["Arn"], "events", label),
                (target.get("DeadLetterConfig", {}).get("Arn"), "fails", "events not delivered"),
            ]
            return [
                Connection(source, part, kind, text)
                for arn, kind, text in arns
                if arn and (part := names.of(arn))
            ]

        return take

    def _api(self, api: Resource) -> Any:
        try:
            methods = list(self._rest_methods(api.physical_id))
        except (NotFoundError, BadRequestError):
            methods = list(self._http_routes(api.physical_id))

        def take(names: Names, topology: Topology) -> list[Connection]:
            part = names.part("api", api.name)
            # The physical id of an API says nothing.
            topology.parts[part] = Part(part, "api", api.name, api.logical_id)
            topology.methods += methods
            return list(of_api(names, api.name, methods))

        return take

    def _rest_methods(self, api: str) -> Iterator[tuple[str, str]]:
        for item in self._aws.pages(
            "apigateway", "get_resources", "items", restApiId=api, embed=["methods"]
        ):
            for method, details in item.get("resourceMethods", {}).items():
                integration = details.get("methodIntegration", {})
                yield f"{method} {item['path']}", json.dumps(integration, default=str)

    def _http_routes(self, api: str) -> Iterator[tuple[str, str]]:
        integrations = {
            one["IntegrationId"]: json.dumps(one, default=str)
            for one in self._aws.pages("apigatewayv2", "get_integrations", "Items", ApiId=api)
        }
        for route in self._aws.pages("apigatewayv2", "get_routes", "Items", ApiId=api):
            integration = str(route.get("Target", "")).rpartition("/")[2]
            yield route["RouteKey"], integrations.get(integration, "")

    def _functions(self, wanted: set[str]) -> Any:
        found = [
            one
            for one in self._aws.pages("lambda", "list_functions", "Functions")
            if one["FunctionName"] in wanted
        ]
        return lambda names, _: [line for one in found for line in of_function(names, one)]

    def _mappings(self, wanted: set[str]) -> Any:
        found = [
            one
            for one in self._aws.pages(
                "lambda", "list_event_source_mappings", "EventSourceMappings"
            )
            if one["FunctionArn"].partition(":function:")[2].partition(":")[0] in wanted
        ]
        return lambda names, _: [line for one in found for line in of_mapping(names, one)]

    def _destinations(self, function: str) -> Any:
        found = list(
            self._aws.pages(
                "lambda",
                "list_function_event_invoke_configs",
                "FunctionEventInvokeConfigs",
                FunctionName=function,
            )
        )
        return lambda names, _: [
            line for one in found for line in of_destinations(names, function, one)
        ]


def _with_destinations(inventory: Inventory, functions: set[str]) -> set[str]:
    """The functions whose configuration of asynchronous invocations is worth asking for."""
    configs = inventory.of_kind("invoke config")
    # The physical id may begin with the function's name.
    named = {re.split(r"[:|]", config.physical_id)[0] for config in configs}
    return named if named <= functions else functions


def _attempt(job: tuple[str, Callable[[], Any]]) -> Any:
    """What the job returns, or the error that kept it from reading."""
    try:
        return job[1]()
    except NotFoundError:  # deleted meanwhile
        return lambda *_: []
    except ConsoleError as error:
        return error
