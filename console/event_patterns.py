"""Why a pattern of EventBridge matches an event or not, field by field.

EventBridge itself judges. A pattern matches if all its fields do, so each field is tested in a
pattern of its own. Fields of objects in an array match only if one element has them all: then each
field matches alone, and together they do not. Those are found by leaving out one field at a time.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Pattern = dict[str, Any]
Path = tuple[str, ...]
OR = "$or"
MOST = 60  # fields that are tested


@dataclass(frozen=True)
class Field:
    """One field of a pattern. `alternative` is its place in an `$or`, such as "1 of 2"."""

    path: Path
    wanted: Any
    pattern: Pattern  # this field alone
    alternative: str | None = None


def fields(pattern: Pattern, path: Path = (), alternative: str | None = None) -> Iterator[Field]:
    """Every field of a pattern, each in a pattern of its own."""
    for name, wanted in pattern.items():
        if name == OR and isinstance(wanted, list):
            for n, one in enumerate(wanted, 1):
                yield from fields(one, path, f"{n} of {len(wanted)}")
        elif isinstance(wanted, dict):
            yield from fields(wanted, (*path, name), alternative)
        else:
            yield Field((*path, name), wanted, _nested((*path, name), wanted), alternative)


def explain(
    pattern: Pattern, event: dict[str, Any], test: Callable[[Pattern], bool]
) -> dict[str, Any]:
    """The verdict on a pattern and on each of its fields. `test` asks EventBridge."""
    matched = test(pattern)
    found = [
        {
            "path": ".".join(one.path),
            "alternative": one.alternative,
            "wanted": one.wanted,
            "found": value_at(event, one.path),
            "missing": value_at(event, one.path) is None and not is_there(event, one.path),
            "matches": test(one.pattern),
        }
        for one in list(fields(pattern))[:MOST]
    ]
    required = [row for row in found if row["alternative"] is None]
    apart = not matched and all(row["matches"] for row in required) and not _alternatives(found)
    return {
        "matched": matched,
        "fields": found,
        # Fields that match alone, but not with the others.
        "together": [".".join(path) for path in _paths(pattern) if test(without(pattern, path))]
        if apart
        else [],
    }


def _alternatives(rows: list[dict[str, Any]]) -> bool:
    """Whether a field in an `$or` does not match: then that is the reason."""
    return any(row["alternative"] is not None and not row["matches"] for row in rows)


def _paths(pattern: Pattern, path: Path = ()) -> Iterator[Path]:
    for name, wanted in pattern.items():
        if isinstance(wanted, dict):
            yield from _paths(wanted, (*path, name))
        else:
            yield (*path, name)


def without(pattern: Pattern, path: Path) -> Pattern:
    """The pattern without a field, and without objects that are empty then."""
    rest = copy.copy(pattern)
    if len(path) == 1:
        del rest[path[0]]
        return rest
    inner = without(rest[path[0]], path[1:])
    if inner:
        rest[path[0]] = inner
    else:
        del rest[path[0]]
    return rest


def _nested(path: Path, wanted: Any) -> Pattern:
    for name in reversed(path):
        wanted = {name: wanted}
    return dict(wanted)


def is_there(value: Any, path: Path) -> bool:
    """Whether an event has a field, also in objects of an array."""
    if not path:
        return True
    if isinstance(value, list):
        return any(is_there(one, path) for one in value)
    return isinstance(value, dict) and path[0] in value and is_there(value[path[0]], path[1:])


def value_at(value: Any, path: Path) -> Any:
    """The value of a field; of objects in an array a list of theirs. None if it is missing."""
    if not path:
        return value
    if isinstance(value, list):
        found = [value_at(one, path) for one in value if is_there(one, path)]
        return found or None
    return value_at(value[path[0]], path[1:]) if is_there(value, path[:1]) else None
