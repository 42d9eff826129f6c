"""Where people's input enters the service, found in its own files."""

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.asl import DEFINITIONS, ROOT, Loader

Handler = Callable[[Any, Any], Any]


@cache
def functions() -> dict[str, dict[str, Any]]:
    """Every function of the service, as its functions.yml describes it."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "handlers").glob("*/functions.yml")):
        found |= yaml.load(path.read_text(), Loader)
    return found


def handler(function: str) -> Handler:
    module, _, name = functions()[function]["handler"].rpartition(".")
    found: Handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    return found


def routes() -> dict[str, str]:
    """The API: what each route, such as `GET signatures/{requestId}`, calls.

    A function by its key, or a machine's first function if the route starts a machine.
    """
    machines = yaml.load((DEFINITIONS / "machines.yml").read_text(), Loader)
    settings = [_included(reference) for reference in machines.values()]
    called = {route: name for name, body in functions().items() for route in _routes(body)}
    return called | {
        route: first_function(_file(body["definition"]))
        for body in settings
        for route in _routes(body)
    }


def called_by_hand() -> set[str]:
    """The functions that nothing in the service calls: no event, machine, rule or schedule."""
    resources = set(ROOT.glob("handlers/*/*.yml")) - set(ROOT.glob("handlers/*/functions.yml"))
    wiring = "".join(path.read_text() for path in (*resources, *DEFINITIONS.glob("*.asl.yml")))
    return {
        name
        for name, body in functions().items()
        if not body.get("events")
        and f"{name[0].upper()}{name[1:]}LambdaFunction" not in wiring
        and f"-{name}" not in wiring  # by its name, where the logical id would be a circle
    }


def first_function(definition: Path) -> str:
    """The function that is given a machine's input before any other."""
    found = re.search(r"!GetAtt (\w+)LambdaFunction\.Arn", definition.read_text())
    assert found, f"{definition} calls no function"
    return found[1][0].lower() + found[1][1:]


def _routes(body: dict[str, Any]) -> Iterator[str]:
    for event in body.get("events") or ():
        if "http" in event:
            yield f"{event['http']['method'].upper()} {event['http']['path']}"


def _included(reference: str) -> dict[str, Any]:
    """What the Serverless Framework puts in the place of `${file(path)}` or `${file(path):key}`."""
    loaded: dict[str, Any] = yaml.load(_file(reference).read_text(), Loader)
    key = reference.partition("):")[2].removesuffix("}")
    return loaded[key] if key else loaded


def _file(reference: str) -> Path:
    found = re.fullmatch(r"\$\{file\((.+?)\)(:\w+)?\}", reference)
    assert found, reference
    return Path(ROOT, found[1])
