"""Why a pattern matches an event or not, judged by an engine for EventBridge's patterns."""

from typing import Any

import pytest
from moto.events.models import EventPattern

from console.event_patterns import Pattern, explain, fields, value_at, without

EVENT = {
    "source": "shop",
    "detail-type": "order",
    "detail": {"state": "paid", "items": [{"kind": "book", "n": 1}, {"kind": "pen", "n": 9}]},
}


def judged(event: dict[str, Any]) -> Any:
    def test(pattern: Pattern) -> bool:
        return bool(EventPattern(None, pattern).matches_event(event))

    return test


def rows(pattern: Pattern) -> dict[str, bool]:
    return {row["path"]: row["matches"] for row in explain(pattern, EVENT, judged(EVENT))["fields"]}


def test_each_field_is_judged_alone() -> None:
    pattern = {"source": ["shop"], "detail": {"state": ["open"], "missing": [{"exists": False}]}}

    assert rows(pattern) == {"source": True, "detail.state": False, "detail.missing": True}


def test_a_field_says_what_was_wanted_and_found() -> None:
    pattern = {"detail": {"state": ["open"], "price": [1]}}

    found = explain(pattern, EVENT, judged(EVENT))["fields"]

    assert [(row["wanted"], row["found"], row["missing"]) for row in found] == [
        (["open"], "paid", False),
        ([1], None, True),
    ]


def test_the_alternatives_of_an_or_are_told_apart() -> None:
    pattern = {"$or": [{"source": ["other"]}, {"detail": {"state": ["paid"]}}], "source": ["shop"]}

    assert [(".".join(one.path), one.alternative) for one in fields(pattern)] == [
        ("source", "1 of 2"),
        ("detail.state", "2 of 2"),
        ("source", None),
    ]


def test_fields_that_match_only_apart_are_named() -> None:
    """EventBridge wants one element of an array to have all the fields."""

    def test(pattern: Pattern) -> bool:
        items = pattern.get("detail", {}).get("items", {})
        return any(
            all(one[name] in wanted for name, wanted in items.items())
            for one in EVENT["detail"]["items"]  # type: ignore[index]
        )

    pattern = {"source": ["shop"], "detail": {"items": {"kind": ["book"], "n": [9]}}}

    explained = explain(pattern, EVENT, test)

    assert not explained["matched"]
    assert all(row["matches"] for row in explained["fields"])
    assert explained["together"] == ["detail.items.kind", "detail.items.n"]


def test_a_pattern_that_matches_has_nothing_to_explain() -> None:
    explained = explain({"source": ["shop"]}, EVENT, judged(EVENT))

    assert explained["matched"]
    assert explained["together"] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("detail", "state"), "paid"),
        (("detail", "items", "kind"), ["book", "pen"]),
        (("detail", "nothing"), None),
        (("source", "deeper"), None),
    ],
    ids=str,
)
def test_the_value_at_a_path(path: tuple[str, ...], value: Any) -> None:
    assert value_at(EVENT, path) == value


def test_leaving_out_the_last_field_of_an_object_leaves_out_the_object() -> None:
    pattern = {"a": {"b": {"c": [1]}}, "d": [2]}

    assert without(pattern, ("a", "b", "c")) == {"d": [2]}
    assert pattern["a"] == {"b": {"c": [1]}}
