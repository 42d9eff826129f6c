"""A catalogue of events: what may be sent, with samples and JSON schemas.

The catalogue is a YAML file that the console is given. It lists under `events` each event's
`source`, `detail-type`, `bus`, `description` and `schema`, the name of a file in `schemas/` beside
it; `producers` and `consumers`, each `function <title>`, `machine <title>`,
`state <machine>/<state>` or `anyone`; and `starts`, the machine whose execution it starts. `buses`
says what the names of buses stand for. Samples are the JSON files below its folder that
have the form of an event.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_PROBLEMS = 5
_REFERENCE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Sample:
    """An event that one may send, edited or as it is."""

    source: str
    type: str
    bus: str
    description: str | None
    schema: dict[str, Any] | None
    detail: dict[str, Any]
    own: bool  # the detail is one that was written or seen, not made up from the schema

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "type": self.type,
            "bus": self.bus,
            "description": self.description,
            "schema": self.schema,
            "sample": self.detail,
        }


@dataclass(frozen=True)
class Entry:
    """An event of the catalogue."""

    source: str
    type: str
    bus: str  # as the catalogue names it, references included
    description: str | None
    schema: str | None  # name of a file
    producers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    starts: str | None = None


class Catalogue:
    """The events of a catalogue; none if there is none."""

    def __init__(
        self, path: Path | None, entries: list[Entry], schemas: dict[str, dict[str, Any]]
    ) -> None:
        self.path = path
        self.entries = entries
        self.schemas = schemas

    @classmethod
    def read(cls, path: Path | None) -> "Catalogue":
        """Read a catalogue. An unreadable one counts as none, and an entry without a name too."""
        if path is None or not path.is_file():
            return cls(None, [], {})
        import yaml  # only where there is a catalogue

        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return cls(None, [], {})
        loaded = loaded if isinstance(loaded, dict) else {}
        buses = loaded.get("buses") or {}
        entries = [
            Entry(
                str(one["source"]),
                str(one["detail-type"]),
                str(buses.get(one.get("bus"), one.get("bus") or "")),
                one.get("description"),
                one.get("schema"),
                tuple(map(str, one.get("producers") or ())),
                tuple(map(str, one.get("consumers") or ())),
                one.get("starts"),
            )
            for one in loaded.get("events") or []
            if isinstance(one, dict) and one.get("source") and one.get("detail-type")
        ]
        schemas = {file.name: _json(file) for file in (path.parent / "schemas").glob("*.json")}
        known = {name: schema for name, schema in schemas.items() if isinstance(schema, dict)}
        return cls(path, entries, known)

    def find(self, source: str, kind: str) -> Entry | None:
        return next((one for one in self.entries if (one.source, one.type) == (source, kind)), None)

    def samples(self, bus_named: Callable[[str], str]) -> Iterator[Sample]:
        """An event of each kind. `bus_named` finds a bus by its name or logical id."""
        written = dict(self._written())
        for entry in self.entries:
            if entry.source.startswith("aws."):
                continue  # only AWS may send it
            detail = written.get((entry.source, entry.type))
            reference = _REFERENCE.fullmatch(entry.bus)
            yield Sample(
                entry.source,
                entry.type,
                bus_named(reference[1] if reference else entry.bus),
                entry.description,
                self.schemas.get(entry.schema or ""),
                detail if detail is not None else self._made_up(entry),
                detail is not None,
            )

    def _written(self) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        """The sample events in files beside the catalogue."""
        assert self.path is not None or not self.entries
        for file in sorted(self.path.parent.rglob("*.json")) if self.path else []:
            event = _json(file)
            if isinstance(event, dict) and isinstance(event.get("detail"), dict):
                yield (str(event.get("source")), str(event.get("detail-type"))), event["detail"]

    def _made_up(self, entry: Entry) -> dict[str, Any]:
        detail = self._value(self.schemas.get(entry.schema or "", {}), entry.schema or "", 0)
        return detail if isinstance(detail, dict) else {}

    def _value(self, schema: Any, file: str, depth: int) -> Any:
        """A value that a schema may accept, to be edited."""
        if not isinstance(schema, dict) or depth > 8:
            return None
        if isinstance(schema.get("$ref"), str):
            name, _, pointer = schema["$ref"].partition("#")
            target: Any = self.schemas.get(name or file, {})
            for part in pointer.strip("/").split("/") if pointer.strip("/") else []:
                target = target.get(part, {}) if isinstance(target, dict) else {}
            return self._value(target, name or file, depth + 1)
        for name in ("const", "default"):
            if name in schema:
                return schema[name]
        for name in ("examples", "enum"):
            if schema.get(name):
                return schema[name][0]
        kinds = schema.get("type", "object" if "properties" in schema else "string")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if kind == "object":
            return {
                name: self._value(inner, file, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if name in schema.get("required", [])
            }
        if kind == "array":
            return [self._value(schema.get("items", {}), file, depth + 1)] * max(
                1, schema.get("minItems", 1)
            )
        if kind in ("integer", "number"):
            return schema.get("minimum", 0)
        made_up = {"boolean": False, "null": None}
        return made_up.get(kind, "" if "pattern" in schema else "text")

    def problems(self, source: str, kind: str, detail: Any) -> list[str]:
        """What a detail breaks of its schema; nothing if the catalogue has none."""
        entry = self.find(source, kind)
        schema = self.schemas.get(entry.schema or "") if entry else None
        if schema is None:
            return []
        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource

        registry: Any = Registry().with_resources(
            (name, Resource.from_contents(document))
            for name, document in self.schemas.items()
            if "$schema" in document
        )
        errors = Draft202012Validator(schema, registry=registry).iter_errors(detail)
        found = sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
        return [
            f"{'.'.join(['detail', *map(str, error.absolute_path)])}: {error.message}"
            for error in found[:MOST_PROBLEMS]
        ]


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
