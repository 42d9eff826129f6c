"""What starts a machine, what it calls, and which inputs are samples."""

import json
from typing import Any

import pytest

from console.topology import Connection, Part, Topology
from console.workflows import calls, triggers, varied


def stack(*connections: tuple[str, str, str, str | None]) -> Topology:
    found = [Connection(*one) for one in connections]
    ends = {end for one in found for end in (one.source, one.target)}
    parts = {end: Part(end, *end.split("/", 1), end.partition("/")[2]) for end in ends}  # type: ignore[arg-type]
    return Topology(parts, found)


def chains(topology: Topology, machine: str = "m") -> list[list[str]]:
    return [[link.label for link in chain] for chain in triggers(topology, machine)]


def test_a_bucket_notifies_a_function_that_names_the_machine() -> None:
    topology = stack(
        ("bucket/files", "function/begin", "notifies", "ObjectCreated:* *.csv"),
        ("function/begin", "machine/m", "uses", None),
        ("function/begin", "queue/letters", "fails", None),
    )

    assert chains(topology) == [["Bucket files (ObjectCreated:* *.csv)", "begin"]]


def test_an_event_a_schedule_and_an_api() -> None:
    topology = stack(
        ("bus/default", "rule/start", "events", "begun"),
        ("rule/start", "machine/m", "events", None),
        ("schedule/daily", "machine/m", "events", "every day"),
        ("api/a", "machine/m", "starts", "POST /things"),
    )

    assert chains(topology) == [
        ["POST /things"],
        ["Bus default (begun)", "Rule start"],
        ["daily (every day)"],
    ]


def test_what_a_function_merely_knows_of_does_not_trigger_it() -> None:
    topology = stack(
        ("function/other", "function/begin", "uses", None),
        ("function/begin", "machine/m", "uses", None),
    )

    assert chains(topology) == [["begin"]]


def test_another_machine_is_where_the_chain_begins() -> None:
    topology = stack(
        ("machine/parent", "machine/m", "starts", "Start Child"),
        ("api/a", "machine/parent", "starts", "POST /things"),
    )

    ((first, second),) = triggers(topology, "m")

    assert (first.label, second.label) == ("POST /things", "parent")
    assert second.href == "workflows/parent"


def test_a_circle_ends() -> None:
    topology = stack(
        ("machine/m", "bus/default", "events", "Tell: done"),
        ("bus/default", "rule/again", "events", "done"),
        ("rule/again", "machine/m", "events", None),
        ("queue/q", "function/f", "reads", None),
        ("function/f", "queue/q", "notifies", None),
        ("function/f", "machine/m", "uses", None),
    )

    assert chains(topology) == [["Bus default (done)", "Rule again"], ["Queue q", "f"]]


def test_an_observer_is_no_trigger() -> None:
    topology = stack(
        ("bus/b", "rule/b|record", "events", None),
        ("rule/b|record", "queue/events", "events", None),
        ("queue/events", "function/record", "reads", None),
        ("function/record", "machine/m", "uses", None),
    )
    assert chains(topology) != []
    topology.observers = frozenset({"rule/b|record", "queue/events", "function/record"})

    assert chains(topology) == []


def test_nothing_starts_it() -> None:
    assert chains(Topology(parts={"machine/m": Part("machine/m", "machine", "m", "m")})) == []


def test_calls_have_the_states_that_make_them() -> None:
    topology = stack(("machine/m", "function/f", "invokes", "A"))
    topology.connections.append(Connection("machine/m", "function/f", "invokes", "B", "P/0/B"))

    (call,) = calls(topology, "m")

    assert call["states"] == [{"id": None, "name": "A"}, {"id": "P/0/B", "name": "B"}]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([{"a": 1}, {"a": 2}, {"b": "x"}], ["0", "2", "1"]),
        ([{"a": 1}, {"a": 1}], ["0"]),
        ([{"a": [1]}, {"a": []}, {"a": [2, 3]}], ["0", "1", "2"]),
        ([], []),
    ],
    ids=["forms first", "no repetition", "lists", "none"],
)
def test_samples_are_varied(inputs: list[Any], expected: list[str]) -> None:
    given = [(str(index), json.dumps(value)) for index, value in enumerate(inputs)]

    assert [run for run, _ in varied(given)] == expected
