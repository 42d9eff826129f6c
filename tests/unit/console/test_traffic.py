"""Which way the events of an event log went."""

import json
from typing import Any

import pytest

from console.definition import parse
from console.topology import Connection, Part, Rule, Topology
from console.traffic import OUTSIDE, grouped, matches, observed
from handlers.observability.timeline import STATUS_CHANGE, Event

ASK = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents.waitForTaskToken",
            "Parameters": {"Entries": [{"Source": "shop", "DetailType": "asked"}]},
            "End": True,
        }
    },
}


def rule(name: str, pattern: Any, bus: str = "default", enabled: bool = True) -> Rule:
    return Rule(name, name, bus, enabled, json.dumps(pattern), None, ())


def shop(*rules: Rule) -> Topology:
    """A stack in which every rule leads to a function of the same name."""
    parts = [Part("machine/orders", "machine", "orders", "orders")]
    parts += [Part(f"function/{name}", "function", name, name) for name in ("answer", "audit")]
    connections = [
        Connection(f"rule/{one.bus}|{one.name}", f"function/{one.name}", "events") for one in rules
    ]
    return Topology({part.id: part for part in parts}, connections, rules=list(rules))


def event(kind: str, number: int = 1, **detail: Any) -> Event:
    return Event(f"{kind}-{number}", "orders:1", "shop", kind, 1_000 * number, detail)


def ways(topology: Topology, *events: Event) -> dict[tuple[str, str], int]:
    topology.definitions["orders"] = parse(ASK)
    return dict(observed(grouped(events, topology), topology).counts)


def test_from_a_state_by_a_rule_to_a_function_and_on() -> None:
    topology = shop(
        rule("answer", {"source": ["shop"], "detail-type": ["asked"]}),
        rule("audit", {"source": ["shop"]}),
    )

    found = ways(
        topology,
        event("asked", 1, stateName="Ask"),
        event("asked", 2, stateName="Ask"),
        event("answered", 3, meta={"fn": "answer"}),
    )

    assert found == {
        ("machine/orders", "bus/default"): 2,
        ("bus/default", "rule/default|answer"): 2,
        ("rule/default|answer", "function/answer"): 2,
        ("function/answer", "bus/default"): 1,
        ("bus/default", "rule/default|audit"): 3,
        ("rule/default|audit", "function/audit"): 3,
    }


def test_what_somebody_else_put_comes_from_outside() -> None:
    topology = shop(rule("audit", {"source": ["shop"]}, bus="own"))

    assert ways(topology, event("asked", state="no name")) == {
        (OUTSIDE, "bus/own"): 1,
        ("bus/own", "rule/own|audit"): 1,
        ("rule/own|audit", "function/audit"): 1,
    }


def test_rules_tell_events_of_one_type_apart() -> None:
    topology = shop(rule("audit", {"detail": {"total": [{"numeric": [">", 100]}]}}))

    found = ways(topology, event("asked", 1, total=5), event("asked", 2, total=500))

    assert found["bus/default", "rule/default|audit"] == 1


def test_a_rule_that_is_off_passes_nothing_on() -> None:
    topology = shop(rule("audit", {"source": ["shop"]}, enabled=False))

    assert ways(topology, event("asked")) == {(OUTSIDE, "bus/default"): 1}


def test_a_duplicate_counts_once() -> None:
    topology = shop(rule("audit", {"source": ["shop"]}))

    found = ways(topology, event("asked"), event("asked"))

    assert found["rule/default|audit", "function/audit"] == 1


def test_aws_itself_tells_changes_of_status() -> None:
    topology = shop(rule("audit", {"source": ["aws.states"]}))
    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:orders"
    change = Event("1", "orders:1", *STATUS_CHANGE, 1_000, {"stateMachineArn": arn})

    assert ways(topology, change) == {
        ("bus/default", "rule/default|audit"): 1,
        ("rule/default|audit", "function/audit"): 1,
    }


EVENT = {
    "source": "shop",
    "detail": {"name": "Ann", "total": 7, "tags": ["a", "b"], "none": None, "ip": "10.1.2.3"},
}


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ({"source": ["shop", "other"]}, True),
        ({"source": ["other"]}, False),
        ({"source": [{"prefix": "sh"}]}, True),
        ({"source": [{"prefix": {"equals-ignore-case": "SH"}}]}, True),
        ({"source": [{"suffix": "op"}]}, True),
        ({"source": [{"suffix": "x"}]}, False),
        ({"source": [{"equals-ignore-case": "SHOP"}]}, True),
        ({"source": [{"wildcard": "s*p"}]}, True),
        ({"source": [{"wildcard": "s?op"}]}, False),
        ({"source": [{"anything-but": "shop"}]}, False),
        ({"source": [{"anything-but": ["a", "b"]}]}, True),
        ({"source": [{"anything-but": {"prefix": "sh"}}]}, False),
        ({"detail": {"total": [{"numeric": [">", 0, "<=", 7]}]}}, True),
        ({"detail": {"total": [{"numeric": ["<", 7]}]}}, False),
        ({"detail": {"name": [{"numeric": [">", 0]}]}}, False),
        ({"detail": {"total": ["7"]}}, False),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"missing": [None]}}, False),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"detail": {"name": [{"exists": True}]}}, True),
        ({"detail": {"missing": ["x", {"exists": False}]}}, True),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}, True),
        ({"detail": {"name": [{"cidr": "10.0.0.0/8"}]}}, False),
        ({"detail": {"missing": {"deeper": ["x"]}}}, False),
        ({"$or": [{"source": ["other"]}, {"detail": {"total": [7]}}]}, True),
        ({"$or": [{"source": ["other"]}, {"detail": {"total": [8]}}]}, False),
        ({"source": ["shop"], "detail": {"name": ["Bob"]}}, False),
        ({"source": [{"an operator to come": 1}]}, False),
    ],
    ids=str,
)
def test_patterns_match_as_eventbridge_says(pattern: Any, matched: bool) -> None:
    assert matches(pattern, EVENT) is matched
