"""A machine's definition as text to read, and which of its lines belong to which state."""

import json
from typing import Any

from console.definition import processor

INDENT = "  "
WIDTH = 88  # characters of a line that a short array or object may fill
Lines = dict[str, tuple[int, int]]  # node id → first and last line, from 1


def formatted(definition: Any) -> tuple[str, Lines]:
    """JSON with short lists and objects on one line, and the lines of each state.

    The ids of states are those of console.definition.
    """
    places: dict[int, str] = {}
    _find(definition, "", places)
    writer = _Writer(places)
    writer.write(definition, 0, "", "")
    return "\n".join(writer.lines), writer.found


def _find(definition: Any, prefix: str, places: dict[int, str]) -> None:
    """The node id of each object that is a state, by the object's identity."""
    states = definition.get("States") if isinstance(definition, dict) else None
    for name, state in (states if isinstance(states, dict) else {}).items():
        if not isinstance(state, dict):
            continue
        node_id = prefix + name.replace("~", "~0").replace("/", "~1")
        places[id(state)] = node_id
        if state.get("Type") == "Parallel":
            branches = state.get("Branches")
            for index, branch in enumerate(branches if isinstance(branches, list) else []):
                _find(branch, f"{node_id}/{index}/", places)
        elif state.get("Type") == "Map":
            _find(processor(state), f"{node_id}/", places)


class _Writer:
    def __init__(self, places: dict[int, str]) -> None:
        self.places = places
        self.lines: list[str] = []
        self.found: Lines = {}

    def write(self, value: Any, depth: int, before: str, after: str) -> None:
        """Add a value's lines; `before` and `after` are on its first and last."""
        margin = INDENT * depth
        first = len(self.lines) + 1
        node = self.places.get(id(value))
        line = margin + before + json.dumps(value, ensure_ascii=False) + after
        nested = isinstance(value, dict | list) and value
        if not nested or (node is None and len(line) <= WIDTH and _is_flat(value)):
            self.lines.append(line)
        else:
            left, right = "{}" if isinstance(value, dict) else "[]"
            self.lines.append(margin + before + left)
            items = list(value.items() if isinstance(value, dict) else enumerate(value))
            for index, (key, item) in enumerate(items):
                name = f"{json.dumps(key, ensure_ascii=False)}: " if left == "{" else ""
                self.write(item, depth + 1, name, "," if index < len(items) - 1 else "")
            self.lines.append(margin + right + after)
        if node is not None:
            self.found[node] = (first, len(self.lines))


def _is_flat(value: Any) -> bool:
    """Whether a list or object has nothing nested in it."""
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, dict | list) for item in items) and len(value) <= (
        1 if isinstance(value, dict) else 12
    )
