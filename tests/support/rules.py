"""Rules: tests that can also check a mutated copy.

A rule is a test function that gets all it checks as arguments. pytest calls it with the service as
it is; the mutation tests call it with copies, each with one fault, and expect it to fail.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support import asl
from tests.support.asl import Machine, State
from tests.support.packaged import Package

Rule = Callable[..., None]
Case = type(pytest.param())
MACHINES = [asl.machine(name) for name in asl.machines()]
STATES = asl.all_states()


def every_machine(rule: Rule) -> Rule:
    """A rule of every machine."""
    rule.subjects = lambda machine: [machine]  # type: ignore[attr-defined]
    decorated: Rule = pytest.mark.parametrize("machine", MACHINES, ids=str)(rule)
    return decorated


def every_state(where: Callable[[State], Any] = lambda _: True) -> Callable[[Rule], Rule]:
    """A rule of every state that is selected (`where`)."""

    def decorate(rule: Rule) -> Rule:
        rule.subjects = lambda machine: filter(where, machine.states)  # type: ignore[attr-defined]
        selected = list(filter(where, STATES))
        decorated: Rule = pytest.mark.parametrize("state", selected, ids=str)(rule)
        return decorated

    return decorate


def machine_rules(*modules: ModuleType) -> dict[str, Rule]:
    """The rules of machines and states in test modules, by name."""
    return {name: rule for name, rule in _tests(*modules) if hasattr(rule, "subjects")}


def package_rules(*modules: ModuleType) -> dict[str, Rule]:
    """The rules of a package in test modules, by name."""
    return {
        name: rule
        for name, rule in _tests(*modules)
        if _packages(rule) or {"template", "request"} & _parameters(rule).keys()
    }


def _tests(*modules: ModuleType) -> Iterator[tuple[str, Rule]]:
    for module in modules:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                yield name, function


def check_machine(rule: Rule, machine: Machine) -> None:
    """Check a machine by a rule. AssertionError if it breaks the rule."""
    for subject in rule.subjects(machine):  # type: ignore[attr-defined]
        rule(subject)


def check_package(rule: Rule, package: Package, **fixtures: Any) -> None:
    """Check a package by a rule, whatever stage the rule itself is about."""
    request = SimpleNamespace(getfixturevalue=lambda _: package)
    known = {"template": package.template, "request": request, **fixtures}
    known |= dict.fromkeys(_packages(rule), package)
    for chosen in _choices(rule):
        rule(**{name: (known | chosen)[name] for name in _parameters(rule)})


def _parameters(rule: Rule) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(rule).parameters


def _packages(rule: Rule) -> list[str]:
    """The arguments of a rule that are a package."""
    return [
        name for name, parameter in _parameters(rule).items() if parameter.annotation is Package
    ]


def _choices(rule: Rule) -> Iterator[dict[str, Any]]:
    """The arguments that a rule is parametrized with, in every combination."""
    marks = [mark for mark in getattr(rule, "pytestmark", []) if mark.name == "parametrize"]
    for combination in product(*(_arguments(*mark.args) for mark in marks)):
        yield {name: value for arguments in combination for name, value in arguments.items()}


def _arguments(names: str | tuple[str, ...], values: Iterable[Any]) -> list[dict[str, Any]]:
    """The arguments of one `parametrize`: by name, for each of its cases."""
    if isinstance(names, str):
        return [{names: value} for value in values]
    cases = (value.values if isinstance(value, Case) else value for value in values)
    return [dict(zip(names, case, strict=True)) for case in cases]
