"""Items of DynamoDB tables: their keys, and their typed values as JSON."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer

from console.aws import (
    Aws,
    BadRequestError,
    ConsoleError,
    NotFoundError,
    UnreachableError,
    add_problem,
)
from console.stack import Resource

MOST_EXACT = 2**53  # a browser's numbers are exact up to here
_TYPES = ("S", "N", "B")  # of a key's values


@dataclass(frozen=True)
class TableKeys:
    """The names of the attributes that are the key of each table."""

    by_table: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)  # what could not be read

    def of(self, table: str, item: Any) -> dict[str, Any]:
        """The key of an item. Empty if it is not known."""
        names = self.by_table.get(table, ())
        if not isinstance(item, dict) or not all(name in item for name in names):
            return {}
        return {name: item[name] for name in names}


def read_table_keys(aws: Aws, tables: Iterable[Resource]) -> TableKeys:
    """The keys of the tables. What may not be read is left out. Raises UnreachableError."""
    found = TableKeys()
    for table in tables:
        try:
            described = aws.call("dynamodb", "describe_table", TableName=table.name)["Table"]
        except NotFoundError:  # it was deleted meanwhile
            continue
        except UnreachableError:
            raise
        except ConsoleError as error:
            add_problem(found.problems, "keys of tables", error)
        else:
            names = tuple(one["AttributeName"] for one in described["KeySchema"])
            found.by_table[table.name] = names
    return found


def typed_key(given: Any) -> dict[str, Any]:
    """The key of an item, such as {"id": {"S": "one"}}. Raises BadRequestError."""
    if not isinstance(given, dict) or not 1 <= len(given) <= 2:
        raise BadRequestError("The address names no item.")
    return {name: _typed(value) for name, value in given.items()}


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and len(value) == 1:
        kind, content = next(iter(value.items()))
        if kind in _TYPES and isinstance(content, str):
            try:
                if kind == "B":
                    return {kind: base64.b64decode(content, validate=True)}
                if kind == "S" or Decimal(content).is_finite():
                    return {kind: content}
            except (binascii.Error, ValueError, InvalidOperation):
                pass
    raise BadRequestError("The address names no item: a value of its key has no type.")


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB's typed values as JSON has them."""
    return {name: _plain(_DESERIALIZER.deserialize(value)) for name, value in item.items()}


_DESERIALIZER = TypeDeserializer()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        number: int | float = int(value) if value == value.to_integral_value() else float(value)
        exact = Decimal(str(number)) == value and abs(number) <= MOST_EXACT
        return number if exact else str(value)
    if isinstance(value, Binary):
        return f"({len(value.value)} bytes)"
    if isinstance(value, set):
        return sorted((_plain(one) for one in value), key=str)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
