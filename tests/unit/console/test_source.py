"""Definitions as text: the same JSON, and the right lines for each state."""

import json
from typing import Any

import pytest

from console.definition import parse
from console.source import formatted
from tests.unit.console.recorded import NAMES, recorded


def lines_of(text: str, found: tuple[int, int]) -> str:
    first, last = found
    return "\n".join(text.split("\n")[first - 1 : last])


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_state_are_its_definition(name: str) -> None:
    definition = recorded(name).definition

    text, lines = formatted(definition.source)

    assert json.loads(text) == definition.source
    assert lines.keys() == definition.nodes.keys()
    for node in definition.nodes.values():
        shown = lines_of(text, lines[node.id]).strip().removesuffix(",")
        assert json.loads("{" + shown + "}") == {node.name: node.definition}


def test_the_lines_of_a_state_are_within_those_of_its_cluster() -> None:
    definition = recorded("map-failed").definition
    _, lines = formatted(definition.source)

    inside = [node for node in definition.nodes.values() if node.cluster]

    assert inside
    for node in inside:
        assert node.cluster is not None
        assert lines[node.cluster][0] < lines[node.id][0] <= lines[node.id][1]
        assert lines[node.id][1] < lines[node.cluster][1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"ErrorEquals": ["States.ALL"]}, '{\n  "ErrorEquals": ["States.ALL"]\n}'),
        ({}, "{}"),
        ({"a": {"b": {}}}, '{\n  "a": {\n    "b": {}\n  }\n}'),
        ({"a": ["x" * 80, "y"]}, '{\n  "a": [\n    "' + "x" * 80 + '",\n    "y"\n  ]\n}'),
        ({"é": "☃"}, '{"é": "☃"}'),
    ],
    ids=["short list", "empty", "nested", "long list", "no escapes"],
)
def test_short_things_stay_on_one_line(value: Any, text: str) -> None:
    assert formatted(value)[0] == text


@pytest.mark.parametrize("source", [{}, {"States": []}, {"States": {"A": 1}}, [], None, "text"])
def test_what_is_no_definition_has_no_states(source: Any) -> None:
    text, lines = formatted(source)

    assert json.loads(text) == source
    assert lines == {}
    assert parse(json.dumps(source)).nodes == {}
