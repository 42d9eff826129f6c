"""Items of tables as JSON, and the keys that name them."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from console.aws import Aws, BadRequestError, NotAllowedError, NotFoundError, UnreachableError
from console.stack import Resource
from console.table_items import TableKeys, plain, read_table_keys, typed_key


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", "x"),
        (Decimal("7"), 7),
        (Decimal("0.1"), 0.1),
        (Decimal("12345678901234567890"), "12345678901234567890"),  # no number of a browser's
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        (b"\x00\x01", "(2 bytes)"),
        ({"b", "a"}, ["a", "b"]),
        ({Decimal(2), Decimal(1)}, [1, 2]),
        ({"inner": [True, None, {"n": Decimal(1)}]}, {"inner": [True, None, {"n": 1}]}),
    ],
    # The order of a set differs from process to process.
    ids=lambda value: "set" if isinstance(value, set) else str(value),
)
def test_a_typed_value_is_shown_as_json_has_it(value: Any, shown: Any) -> None:
    assert plain({"a": TypeSerializer().serialize(value)}) == {"a": shown}


def test_a_key_is_taken_from_json() -> None:
    text = base64.b64encode(b"\x00\x01").decode()

    assert typed_key({"id": {"S": "x"}, "at": {"N": "1"}}) == {"id": {"S": "x"}, "at": {"N": "1"}}
    assert typed_key({"id": {"B": text}}) == {"id": {"B": b"\x00\x01"}}


@pytest.mark.parametrize(
    "given",
    [
        None,
        "x",
        [],
        {},
        {"id": "x"},
        {"id": {}},
        {"id": {"S": 1}},
        {"id": {"N": "x"}},
        {"id": {"N": "NaN"}},
        {"id": {"M": {}}},
        {"id": {"B": "no base64!"}},
        {"id": {"S": "x", "N": "1"}},
        {"a": {"S": "1"}, "b": {"S": "1"}, "c": {"S": "1"}},
    ],
    ids=str,
)
def test_what_is_no_key_is_refused(given: Any) -> None:
    with pytest.raises(BadRequestError):
        typed_key(given)


def test_an_item_s_key_is_known_only_with_its_table_s() -> None:
    keys = TableKeys({"orders": ("id", "at")})
    item = {"id": {"S": "x"}, "at": {"N": "1"}, "more": {"S": "y"}}

    assert keys.of("orders", item) == {"id": {"S": "x"}, "at": {"N": "1"}}
    assert keys.of("elsewhere", item) == {}
    assert keys.of("orders", {"id": {"S": "x"}}) == {}
    assert keys.of("orders", None) == {}


class FakeAws(Aws):
    """Has a table; the others are in no good state."""

    def __init__(self) -> None:
        self.unreachable = False

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        if self.unreachable:
            raise UnreachableError("AWS does not answer.")
        if given["TableName"] == "deleted":
            raise NotFoundError("There is no such table.")
        if given["TableName"] == "secret":
            raise NotAllowedError("No permission for dynamodb:DescribeTable.")
        return {"Table": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}}


TABLES = [Resource("table", name, name, name) for name in ("secret", "deleted", "orders")]


def test_what_may_not_be_read_of_tables_is_named() -> None:
    keys = read_table_keys(FakeAws(), TABLES)

    assert keys.by_table == {"orders": ("id",)}
    message = "No permission for dynamodb:DescribeTable."
    assert keys.problems == [{"what": "keys of tables", "message": message}]


def test_tables_that_could_not_be_reached_are_not_taken_for_known() -> None:
    aws = FakeAws()
    aws.unreachable = True

    with pytest.raises(UnreachableError):
        read_table_keys(aws, TABLES)
