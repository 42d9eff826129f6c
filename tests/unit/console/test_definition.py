"""A definition as a graph."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.definition import condition, parse, short
from tests.unit.console.recorded import NAMES, recorded

NESTED = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "Both",
                "States": {
                    "Both": {
                        "Type": "Parallel",
                        "Branches": [
                            {"StartAt": "a/b", "States": {"a/b": {"Type": "Pass", "End": True}}},
                            {"StartAt": "Ask", "States": {"Ask": {"Type": "Succeed"}}},
                        ],
                        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
                        "End": True,
                    },
                    "Sorry": {"Type": "Pass", "End": True},
                },
            },
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}


def edges(graph: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(edge["from"], edge["to"], edge["kind"]) for edge in graph["edges"]}


def test_clusters_lie_in_clusters() -> None:
    graph = parse(NESTED).graph()

    assert {(one["id"], one["type"], one["parent"]) for one in graph["clusters"]} == {
        ("Each", "Map", None),
        ("Each/Both", "Parallel", "Each"),
    }
    assert {node["id"]: node["cluster"] for node in graph["nodes"]} == {
        "$start": None,
        "Each": None,
        "Each/Both": "Each",
        "Each/Both/0/a~1b": "Each/Both",
        "Each/Both/1/Ask": "Each/Both",
        "Each/Sorry": "Each",
        "Done": None,
        "$end": None,
    }


def test_edges_are_transitions_and_beginnings_of_branches() -> None:
    assert edges(parse(NESTED).graph()) == {
        ("$start", "Each", "next"),
        ("Each", "Each/Both", "branch"),
        ("Each/Both", "Each/Both/0/a~1b", "branch"),
        ("Each/Both", "Each/Both/1/Ask", "branch"),
        ("Each/Both", "Each/Sorry", "catch"),
        ("Each", "Done", "next"),
        ("Done", "$end", "next"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_edge_of_a_real_machine_has_two_ends(name: str) -> None:
    graph = recorded(name).definition.graph()
    ids = {node["id"] for node in graph["nodes"]}

    assert len(ids) == len(graph["nodes"])
    assert {end for edge in graph["edges"] for end in (edge["from"], edge["to"])} == ids


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"Variable": "$.a", "NumericGreaterThanEquals": 2}, "$.a ≥ 2"),
        ({"Variable": "$.a", "StringEquals": "x"}, '$.a = "x"'),
        ({"Variable": "$.a", "StringEqualsPath": "$.b"}, "$.a = $.b"),
        ({"Variable": "$.a", "IsPresent": True}, "$.a is present"),
        ({"Variable": "$.a", "IsString": False}, "$.a is not a string"),
        ({"Not": {"Variable": "$.a", "IsNull": True}}, "not ($.a is null)"),
        (
            {
                "And": [
                    {"Variable": "$.a", "IsPresent": True},
                    {
                        "Or": [
                            {"Variable": "$.a", "BooleanEquals": True},
                            {"Variable": "$.a", "IsNull": True},
                        ]
                    },
                ]
            },
            "$.a is present and ($.a = true or $.a is null)",
        ),
        ({"Condition": "{% $states.input.n > 1 %}"}, "$states.input.n > 1"),
    ],
)
def test_a_rule_of_a_choice_is_one_line(rule: dict[str, Any], line: str) -> None:
    assert condition(rule) == line


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("arn:aws:lambda:eu-west-1:1:function:resize", "resize"),
        ("arn:aws:lambda:eu-west-1:1:function:resize:7", "resize"),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", "sqs:sendMessage"),
        ("arn:aws-cn:states:::aws-sdk:sfn:startExecution", "sfn:startExecution"),
        ("arn:aws:states:::states:startExecution.sync:2", "states:startExecution"),
        ("arn:aws:states:eu-west-1:1:activity:approve", "approve"),
    ],
)
def test_a_resource_has_a_short_name(resource: str, name: str) -> None:
    assert short(resource) == name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "States",
                    "StartAt",
                    "Type",
                    "Next",
                    "Branches",
                    "ItemProcessor",
                    "Choices",
                    "Catch",
                ]
            )
            | st.text(max_size=4),
            inner | st.sampled_from(["Map", "Parallel", "Choice", "Task"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(json_values | st.text())
def test_whatever_it_is_given_it_makes_a_graph(source: Any) -> None:
    graph = parse(source).graph()

    ids = {node["id"] for node in graph["nodes"]}
    assert all({edge["from"], edge["to"]} <= ids for edge in graph["edges"])
