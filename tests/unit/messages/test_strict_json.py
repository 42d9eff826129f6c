"""JSON that every service can read."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.messages.errors import MalformedMessageError
from handlers.messages.strict_json import MAX_DEPTH, dump, parse

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@given(JSON)
def test_any_json_survives_a_round_trip(value: Any) -> None:
    assert parse(dump(value)) == value
    assert json.loads(dump(value)) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "{'a': 1}", '{"a": 1,}', '{"a": 1} 2', "undefined", '"\x01"', "01", "[1,,2]"],
)
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError, match="not JSON"):
        parse(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_numbers_are_refused(constant: str) -> None:
    with pytest.raises(MalformedMessageError, match=f"{constant} is not a JSON number"):
        parse(f'{{"a": {constant}}}')


LARGEST = str(int(sys.float_info.max))


@pytest.mark.parametrize(
    "number",
    ["1e309", "-1e309", "1" + "0" * 400, "-1" + "0" * 400, f"9{LARGEST[1:]}", "9" * 5000],
    ids=["1e309", "-1e309", "401 digits", "-401 digits", "309 digits", "5000 digits"],
)
def test_numbers_too_large_for_a_double_are_refused(number: str) -> None:
    for text in (number, f'{{"a": [{number}]}}'):
        with pytest.raises(MalformedMessageError, match="too large for a double"):
            parse(text)


@pytest.mark.parametrize("number", [LARGEST, f"-{LARGEST}", "12345678901234567890", "1e308"])
def test_numbers_within_a_double_are_unchanged(number: str) -> None:
    assert parse(number) == (float(number) if "e" in number else int(number))


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="surrogate"):
        parse(r'{"a": "\ud83d"}')


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse(r'"\ud83d\ude42"') == "🙂"


def test_depth_is_limited() -> None:
    assert parse(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(MalformedMessageError, match="deep"):
            parse(nested(depth))


def test_text_has_no_spaces() -> None:
    assert dump({"a": [1, 2.5], "ä": None}) == '{"a":[1,2.5],"ä":null}'
