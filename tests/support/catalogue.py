"""The event catalogue: what is in it, and whether an event is as it says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.support import asl
from tests.support.asl import ROOT

FILE = ROOT / "events" / "catalogue.yml"
SCHEMAS = ROOT / "events" / "schemas"
COMMON = "common.json"


@dataclass(frozen=True)
class CataloguedEvent:
    """One entry of the catalogue; `bus` as a rule names it."""

    source: str
    detail_type: str
    bus: str
    description: str
    schema: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    starts: str | None

    def __str__(self) -> str:  # the test's id
        return f"{self.source}-{self.detail_type}"


@cache
def events(stage: str = "dev") -> tuple[CataloguedEvent, ...]:
    loaded = asl.filled(yaml.load(FILE.read_text(), yaml.CSafeLoader), stage)
    return tuple(
        CataloguedEvent(
            entry["source"],
            entry["detail-type"],
            loaded["buses"][entry["bus"]],
            entry["description"],
            entry["schema"],
            tuple(entry["producers"]),
            tuple(entry["consumers"]),
            entry.get("starts"),
        )
        for entry in loaded["events"]
    )


@cache
def consumers_of_all() -> tuple[str, ...]:
    """Who consumes every event, beside the consumers that each names."""
    return tuple(yaml.load(FILE.read_text(), yaml.CSafeLoader)["consumers-of-all"])


def secret_fields() -> dict[str, set[str]]:
    """The fields that the schemas mark as secret, by what becomes of them."""
    found: dict[str, set[str]] = {}
    for path in SCHEMAS.glob("*.json"):
        for name, mark in _marks(json.loads(path.read_text())):
            found.setdefault(mark, set()).add(name)
    return found


def _marks(schema: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every field of a schema that is marked, and its mark. A definition has its field's name."""
    if isinstance(schema, list):
        for item in schema:
            yield from _marks(item, name)
    elif isinstance(schema, dict):
        if "x-secret" in schema:
            yield name, schema["x-secret"]
        for key, value in schema.items():
            yield from _marks(value, key)


def event(source: str, detail_type: str) -> CataloguedEvent:
    """The entry of an event; AssertionError if there is none."""
    found = [e for e in events() if (e.source, e.detail_type) == (source, detail_type)]
    assert found, f"the catalogue has no event {detail_type} of {source}"
    return found[0]


def validate(source: str, detail_type: str, detail: Any) -> None:
    """Raise jsonschema's ValidationError, or AssertionError if the catalogue has no such event."""
    validator(event(source, detail_type).schema).validate(detail)


@cache
def validator(schema: str) -> Draft202012Validator:
    documents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(document)) for name, document in documents.items()
    )
    return Draft202012Validator(documents[schema], registry=registry)
