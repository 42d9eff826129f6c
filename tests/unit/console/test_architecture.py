"""What the page of the architecture draws."""

from collections import Counter
from typing import Any

from console.architecture import Counts, drawn, merge, surroundings
from console.definition import parse
from console.topology import Connection, Part, Rule, Topology
from console.traffic import OUTSIDE, Traffic


def stack(*connections: tuple[str, str, str], rules: tuple[Rule, ...] = ()) -> Topology:
    found = [Connection(*one) for one in connections]
    ends = {end for one in found for end in (one.source, one.target)}
    parts = {}
    for end in ends:
        kind, _, name = end.partition("/")
        parts[end] = Part(end, kind, name, name)
    machines = {part.name: parse("{}") for part in parts.values() if part.kind == "machine"}
    return Topology(parts, found, machines, list(rules))


def draw(topology: Topology, counts: Counts, traffic: Traffic | None = None) -> Any:
    found = drawn(topology, counts, traffic or Traffic())
    return (
        {node["id"]: node for node in found["nodes"]},
        {(edge["from"], edge["to"]): edge for edge in found["edges"]},
    )


def test_what_calls_a_function_alone_has_called_it_as_often_as_it_was_invoked() -> None:
    nodes, edges = draw(
        stack(("machine/m", "function/f", "invokes"), ("function/f", "table/t", "uses")),
        {"function/f": (12, 3), "machine/m": (5, 1)},
    )

    edge = edges["machine/m", "function/f"]
    assert (edge["count"], edge["failures"]) == (12, 3)
    assert edges["function/f", "table/t"]["count"] is None
    assert (nodes["function/f"]["count"], nodes["function/f"]["failures"]) == (12, 3)
    assert nodes["table/t"]["count"] is None


def test_of_several_callers_nobody_knows_who_called_how_often() -> None:
    _, edges = draw(
        stack(("machine/m", "function/f", "invokes"), ("api/a", "function/f", "requests")),
        {"function/f": (12, 3)},
    )

    assert {(edge["count"], edge["failures"]) for edge in edges.values()} == {(None, 0)}


def test_events_that_were_seen_are_counted_and_drawn() -> None:
    way = {(OUTSIDE, "bus/b"): 4, ("bus/b", "rule/b|r"): 3, ("rule/b|r", "function/f"): 3}
    nodes, edges = draw(
        stack(("bus/b", "rule/b|r", "events"), ("rule/b|r", "function/f", "events")),
        {},
        Traffic(Counter(way)),
    )

    assert {ends: edge["count"] for ends, edge in edges.items()} == way
    assert nodes[OUTSIDE]["title"] == "Outside"
    assert (nodes["bus/b"]["count"], nodes["rule/b|r"]["count"]) == (4, 3)


def test_a_failure_leads_to_the_failed_runs() -> None:
    nodes, _ = draw(
        stack(("machine/m", "queue/q", "fails")), {"machine/m": (2, 1), "queue/q": (1, 1)}
    )

    assert nodes["machine/m"]["links"][0] == {
        "title": "Failed runs",
        "href": "runs?workflow=m&status=FAILED",
    }
    assert nodes["queue/q"]["links"] == [{"title": "Dead letters", "href": "dead-letters"}]


def test_of_two_connections_the_more_important_is_drawn() -> None:
    found = merge(
        [
            Connection("function/f", "queue/q", "uses"),
            Connection("function/f", "queue/q", "fails", "invocations that failed"),
            Connection("machine/m", "function/f", "invokes", "A"),
            Connection("machine/m", "function/f", "invokes", "B"),
        ]
    )

    assert found["function/f", "queue/q"].kind == "fails"
    assert found["machine/m", "function/f"].label == "A, B"


ASKS = parse(
    {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::events:putEvents",
                "Parameters": {"Entries": [{"Source": "shop", "DetailType": "asked"}]},
                "End": True,
            }
        },
    }
)


def test_around_a_machine_are_its_triggers_and_what_it_leads_to() -> None:
    def rule(name: str, pattern: str) -> Rule:
        return Rule(name, name, "b", True, pattern, None, ())

    topology = stack(
        ("bucket/in", "function/begin", "notifies"),
        ("function/begin", "machine/m", "uses"),
        ("machine/m", "bus/b", "events"),
        ("bus/b", "rule/b|answer", "events"),
        ("rule/b|answer", "function/answer", "events"),
        ("bus/b", "rule/b|finish", "events"),
        ("rule/b|finish", "machine/finisher", "events"),
        ("bus/b", "rule/b|other", "events"),
        ("rule/b|other", "function/other", "events"),
        ("function/answer", "table/t", "uses"),
        ("function/stranger", "table/t", "uses"),
        rules=(
            rule("answer", '{"source": ["shop"], "detail-type": ["asked"]}'),
            rule("finish", '{"source": ["shop"], "detail-type": ["answered"]}'),
            rule("other", '{"source": ["elsewhere"]}'),
        ),
    )
    topology.definitions["m"] = ASKS
    traffic = Traffic(led={("function/answer", "rule/b|finish")})

    assert surroundings(topology, traffic, "m") == {
        "bucket/in",
        "function/begin",
        "machine/m",
        "bus/b",
        "rule/b|answer",
        "function/answer",
        "table/t",
        "rule/b|finish",
        "machine/finisher",
    }


def test_what_observes_all_machines_is_around_none() -> None:
    topology = stack(
        ("machine/m", "bus/b", "events"),
        ("bus/b", "rule/b|record", "events"),
        ("rule/b|record", "queue/events", "events"),
        ("queue/events", "function/record", "reads"),
    )
    traffic = Traffic(led={("machine/m", "rule/b|record")})
    assert "function/record" in surroundings(topology, traffic, "m")
    topology.observers = frozenset({"rule/b|record", "queue/events", "function/record"})

    assert surroundings(topology, traffic, "m") == {"machine/m", "bus/b"}
