"""Recorded runs of the local AWS, and histories as AWS documents them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.definition import Definition, parse
from console.history import History

FOLDER = Path(__file__).parent / "histories"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Recorded:
    """A run: what DescribeExecution says, the definition, and the events of its history."""

    execution: dict[str, Any]
    definition: Definition
    events: list[dict[str, Any]]

    @property
    def history(self) -> History:
        return History.of(self.definition, self.events)


def recorded(name: str) -> Recorded:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    return Recorded(found["execution"], parse(found["definition"]), found["events"])


class Events:
    """Builds a history event by event, a second apart."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def __call__(self, kind: str, previous: int | None = None, **details: Any) -> int:
        """Add an event after the previous one, or the named one. Returns its id."""
        event_id = len(self.all) + 1
        event: dict[str, Any] = {
            "id": event_id,
            "previousEventId": event_id - 1 if previous is None else previous,
            "type": kind,
            "timestamp": 1_800_000_000 + event_id,
        }
        if details:
            event[_details_key(kind)] = details
        self.all.append(event)
        return event_id

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.all)


def _details_key(kind: str) -> str:
    for general in ("StateEntered", "StateExited"):
        if kind.endswith(general):
            return f"{general[0].lower()}{general[1:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"
