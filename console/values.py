"""Values as JSON has them, in inputs, results and configurations."""

import json
from collections.abc import Iterator
from typing import Any


def parsed(given: Any) -> Any:
    """JSON as a value; what is none, as it is."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        return given


def strings(value: Any) -> Iterator[str]:
    """Every text in a value, but no names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
