"""How many events went from where to where: what the event log has, told apart by rules.

Pure: handlers/observability/timeline.py derives who produced what, the rules of the stack tell who
received it.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import Any

from console.definition import parameters
from console.topology import DEFAULT_BUS, Connection, Topology
from handlers.observability.timeline import (
    ANYONE,
    STATUS_CHANGE,
    CataloguedEvent,
    Event,
    architecture,
)

OUTSIDE = "outside/outside"
REMEMBERED = 100_000  # events whose rules are known


@dataclass
class Traffic:
    """What went where: producer → bus → rule → target."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (part, part) → events
    led: set[tuple[str, str]] = field(
        default_factory=set
    )  # (producer, rule that its event matched)


class Matching:
    """The rules that match an event. What has been found is kept: most events are seen again."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._patterns = {
            f"rule/{rule.bus}|{rule.name}": json.loads(rule.pattern)
            for rule in topology.rules
            if rule.pattern and rule.enabled
        }
        self._known: dict[str, tuple[str, ...]] = {}  # by id

    def of(self, identifier: str, event: Callable[[], Event]) -> tuple[str, ...]:
        """The rules that match the event with this id."""
        found = self._known.get(identifier)
        if found is None:
            envelope = _envelope(event())
            found = tuple(name for name, one in self._patterns.items() if matches(one, envelope))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[identifier] = found
        return found


Groups = Mapping[tuple[str, ...], list[Event]]  # by the rules that match


def grouped(events: Iterable[Event], topology: Topology) -> Groups:
    """Events by the rules that match them."""
    matching = Matching(topology)
    groups: dict[tuple[str, ...], list[Event]] = defaultdict(list)
    for event in events:
        groups[matching.of(event.id, lambda event=event: event)].append(event)  # type: ignore[misc]
    return groups


def observed(groups: Groups, topology: Topology) -> Traffic:
    """The way of each event. Of the details, nothing is needed any more."""
    traffic = Traffic()
    found = traffic.counts
    rules = {f"rule/{rule.bus}|{rule.name}": rule for rule in topology.rules}
    producers = Producers(topology)
    for matching, group in groups.items():
        catalogue = [
            CataloguedEvent(*kind, producers.of(kind), matching)
            for kind in {event.type for event in group}
        ]
        seen: set[tuple[str, str, str]] = set()
        for edge in architecture(group, catalogue):
            if edge.consumer is not None:
                rule = rules[edge.consumer]
                found[f"bus/{rule.bus}", edge.consumer] += edge.count
                for target in {one.target for one in _delivering(topology, edge.consumer)}:
                    found[edge.consumer, target] += edge.count
            # AWS itself puts changes of status on the bus; an event counts once for its producer.
            kind = (edge.source, edge.detail_type)
            if kind == STATUS_CHANGE or (edge.producer, *kind) in seen:
                continue
            seen.add((edge.producer, *kind))
            # No target learns which bus an event was on: that of the rules that match.
            buses = {rules[name].bus for name in matching} or {DEFAULT_BUS}
            source = producers.part(edge.producer)
            traffic.led |= {(source, name) for name in matching}
            for bus in buses:
                found[source, f"bus/{bus}"] += edge.count
    return traffic


def _delivering(topology: Topology, rule: str) -> list[Connection]:
    return [one for one in topology.from_(rule) if one.kind == "events"]


def _envelope(event: Event) -> dict[str, Any]:
    arn = event.detail.get("executionArn")
    return {
        "source": event.source,
        "detail-type": event.detail_type,
        "detail": event.detail,
        "resources": [arn] if event.type == STATUS_CHANGE else [],
    }


class Producers:
    """Who may have put an event: states that do so, by their definition, and every function."""

    def __init__(self, topology: Topology) -> None:
        self._functions = {
            f"function {part.title}": part.id
            for part in topology.parts.values()
            if part.kind == "function"
        }
        self._states: dict[tuple[str, str], list[str]] = defaultdict(list)
        for machine, definition in topology.definitions.items():
            for node in definition.nodes.values():
                entries = parameters(node.definition).get("Entries")
                if ":events:putEvents" in node.resource and isinstance(entries, list):
                    for entry in entries:
                        kind = (str(entry.get("Source")), str(entry.get("DetailType")))
                        self._states[kind].append(f"state {machine}/{node.name}")

    def of(self, kind: tuple[str, str]) -> tuple[str, ...]:
        # Two of them at least, so that an event that names none is not taken for one's.
        return (*self._states.get(kind, ()), *self._functions, ANYONE)

    def part(self, producer: str) -> str:
        kind, _, name = producer.partition(" ")
        if kind == "state":
            return f"machine/{name.partition('/')[0]}"
        return self._functions.get(producer, OUTSIDE)


# -- Patterns -------------------------------------------------------------------------------------


def matches(pattern: Any, event: Any) -> bool:
    """Whether an event matches a pattern of EventBridge.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    if not isinstance(pattern, dict):
        return False
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            inner = event.get(name) if isinstance(event, dict) else None
            options = inner if isinstance(inner, list) else [inner]
            if not any(matches(wanted, one) for one in options):
                return False
        elif not _field(wanted, event, name):
            return False
    return True


def _field(wanted: Any, event: Any, name: str) -> bool:
    is_there = isinstance(event, dict) and name in event
    value = event[name] if is_there else None
    values = value if isinstance(value, list) else [value]
    for rule in wanted if isinstance(wanted, list) else []:
        if isinstance(rule, dict) and "exists" in rule:
            if rule["exists"] == is_there:
                return True
        elif is_there and any(_value(rule, one) for one in values):
            return True
    return False


def _value(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return type(rule) is type(value) and bool(rule == value)
    operator, wanted = next(iter(rule.items()))
    if operator == "anything-but":
        if isinstance(wanted, dict):
            return not _value(wanted, value)
        return value not in (wanted if isinstance(wanted, list) else [wanted])
    if operator == "numeric":
        return _is_number(value) and _numeric(wanted, value)
    options = wanted if isinstance(wanted, list) else [wanted]
    return isinstance(value, str) and any(_text(operator, one, value) for one in options)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numeric(wanted: list[Any], value: float) -> bool:
    compare = {
        "=": lambda a, b: a == b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    pairs = zip(wanted[::2], wanted[1::2], strict=False)
    return all(compare[sign](value, number) for sign, number in pairs)


def _text(operator: str, wanted: Any, value: str) -> bool:
    if isinstance(wanted, dict) and "equals-ignore-case" in wanted:
        wanted, value = str(wanted["equals-ignore-case"]).lower(), value.lower()
    if not isinstance(wanted, str):
        return False
    if operator == "prefix":
        return value.startswith(wanted)
    if operator == "suffix":
        return value.endswith(wanted)
    if operator == "equals-ignore-case":
        return value.lower() == wanted.lower()
    if operator == "wildcard":
        return fnmatchcase(value, re.sub(r"([\[\]?])", r"[\1]", wanted))
    if operator == "cidr":
        try:
            return ip_address(value) in ip_network(wanted, strict=False)
        except ValueError:
            return False
    return False
