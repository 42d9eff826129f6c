"""Delivers events, messages and requests: once and at once, unless a fault says otherwise."""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from faults import stack
from faults.address import Call
from faults.functions import Functions
from faults.kinds import Kind
from faults.network import Network
from faults.virtual_time import Timeline
from tests.support import asl
from tests.support.patterns import accepts
from tests.support.rule_targets import transformed

_LATENCY = 0.05
_OVERTAKEN = 5.0  # seconds; the next events come sooner
_LATE = 3700.0  # longer than every step
_TOO_LATE = 2 * 86_400.0  # longer than every execution
Act = Callable[[], object]


class Deliveries:
    """What is on its way, by channel: `rule:MessagesRule`, `queue:CookiesTaskFailureQueue`."""

    def __init__(self, timeline: Timeline, network: Network) -> None:
        self._timeline = timeline
        self._network = network
        self._numbers: Counter[str] = Counter()

    def deliver(self, channel: str, act: Act) -> None:
        self._numbers[channel] += 1
        fault = self._network.note(Call(channel, self._numbers[channel], "deliver"))
        for delay in _delays(fault.kind if fault else None):
            self._timeline.after(delay, act)


def _delays(kind: Kind | None) -> list[float]:
    """When to deliver, and how often."""
    match kind:
        case None:
            return [_LATENCY]
        case Kind.TWICE:
            return [_LATENCY, _LATENCY]
        case Kind.AGAIN:
            return [_LATENCY, _TOO_LATE]
        case Kind.LATE:
            return [_LATE]
        case Kind.TOO_LATE:
            return [_TOO_LATE]
        case Kind.OVERTAKEN:
            return [_OVERTAKEN]
    raise AssertionError(f"{kind} cannot happen to a delivery")


@dataclass
class _Message:
    """A message in a queue; it may be delivered more than once."""

    body: str
    sent_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    receives: int = 0
    is_deleted: bool = False

    def as_record(self) -> dict[str, Any]:
        """As Lambda hands it to a function."""
        attributes = {
            "SentTimestamp": str(round(self.sent_at * 1000)),
            "ApproximateReceiveCount": str(self.receives),
        }
        return {"messageId": self.id, "body": self.body, "attributes": attributes}


class Queues:
    """The messages in each SQS queue; a queue that a function reads delivers them to it."""

    def __init__(self, timeline: Timeline, deliveries: Deliveries) -> None:
        self.messages: dict[str, list[str]] = {}
        self.functions: Functions  # set when they exist: functions send messages, too
        self._timeline = timeline
        self._deliveries = deliveries
        self._visible: dict[str, list[_Message]] = {}

    def send(self, queue: str, body: str) -> None:
        queue = queue.rpartition("/")[2]
        readers = [f for f in stack.functions().values() if f.source_queue == queue]
        if not readers:
            self.messages.setdefault(queue, []).append(body)
        for reader in readers:
            message = _Message(body, self._timeline.now)
            appear = partial(self._appear, reader, queue, message)
            self._deliveries.deliver(f"queue:{queue}", appear)

    def _appear(self, reader: stack.Function, queue: str, message: _Message) -> None:
        """A message can be read; what appears at the same time is one batch."""
        self._visible.setdefault(queue, []).append(message)
        self._timeline.after(0, lambda: self._read(reader, queue))

    def _read(self, reader: stack.Function, queue: str) -> None:
        visible = [message for message in self._visible[queue] if not message.is_deleted]
        batch, self._visible[queue] = visible[: reader.batch_size], visible[reader.batch_size :]
        if not batch:
            return
        for message in batch:
            message.receives += 1
        result = self.functions.invoke(
            reader.key, {"Records": [message.as_record() for message in batch]}
        )
        failures = (result.payload or {}).get("batchItemFailures", [])
        failed = {failure["itemIdentifier"] for failure in failures}
        properties = stack.resources("AWS::SQS::Queue")[queue]
        policy = properties["RedrivePolicy"]
        for message in batch:
            if result.error is None and message.id not in failed:
                message.is_deleted = True
            elif message.is_deleted:
                continue  # another delivery of it has succeeded
            elif message.receives >= policy["maxReceiveCount"]:
                message.is_deleted = True
                dead = str(policy["deadLetterTargetArn"]).rpartition(":")[2]
                self.messages.setdefault(dead, []).append(message.body)
            else:
                self._timeline.after(
                    properties["VisibilityTimeout"], partial(self._appear, reader, queue, message)
                )

    def of(self, queue: str) -> list[Any]:
        """The JSON of the messages in a queue."""
        return [json.loads(body) for body in self.messages.get(queue, [])]


class EventBuses:
    """EventBridge: the events of all buses, and what the rules of a workflow do with them."""

    def __init__(self, timeline: Timeline, deliveries: Deliveries, workflow: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.start: Callable[[str, str, dict[str, Any]], str]  # machine, name, input
        self.functions: Functions
        self.queues: Queues
        self._timeline = timeline
        self._deliveries = deliveries
        self._rules = stack.rules(workflow)

    def targets_of(self, name: str) -> dict[str, Any]:
        """The targets of a rule, as EventBridge lists them."""
        (rule,) = [rule for rule in self._rules if rule.name == name]
        return {"Targets": list(rule.targets)}

    def of_source(self, source: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["source"] == source]

    def put_events(self, Entries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        results = [{"EventId": self._put(entry)} for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": results}

    def publish(self, source: str, detail_type: str, detail: Any, bus: str = "default") -> str:
        """Put an event that no function puts; returns its id."""
        return self._put(
            {
                "EventBusName": bus,
                "Source": source,
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
        )

    def _put(self, entry: dict[str, Any]) -> str:
        moment = datetime.fromtimestamp(self._timeline.now, UTC)
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "source": entry["Source"],
            "account": asl.ACCOUNT,
            "region": asl.REGION,
            "resources": entry.get("Resources", []),
            "time": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
        }
        self.events.append(event)
        for rule in self._rules:
            if rule.bus == entry.get("EventBusName", "default") and accepts(rule.pattern, event):
                for target in rule.targets:
                    self._send(rule, target, event)
        return str(event["id"])

    def _send(self, rule: stack.Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
        sent = transformed(target, event)
        arn, channel = target["Arn"], f"rule:{rule.name}:{target['Id']}"
        if ":stateMachine:" in arn:
            self._deliveries.deliver(channel, lambda: self.start(arn, str(uuid.uuid4()), sent))
        elif ":function:" in arn:
            key = arn.rpartition(":")[2]
            self._deliveries.deliver(channel, lambda: self.functions.invoke_later(key, sent))
        else:
            queue, body = arn.rpartition(":")[2], json.dumps(sent)
            self._deliveries.deliver(channel, lambda: self.queues.send(queue, body))
