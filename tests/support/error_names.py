"""Error names that a machine may list: those of error-names.yml, and classes of our own."""

import inspect
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import yaml

import handlers
from tests.support.asl import DEFINITIONS, State

# What every Task that calls a function of ours retries.
TRANSIENT = [
    "AwsUnavailableError",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
FILE = DEFINITIONS / "error-names.yml"
# The folder in handlers/ of a machine that has not its name.
FOLDERS = {"cookies-starter": "cookies", "task-finisher": "cookies"}


@cache
def listed() -> dict[str, dict[str, dict[str, str]]]:
    """The sources by name, by `transient` or `permanent`, by integration."""
    loaded: dict[str, dict[str, dict[str, str]]] = yaml.load(FILE.read_text(), yaml.CSafeLoader)
    return loaded


def transient(integration: str | None) -> set[str]:
    return set(listed().get(str(integration), {}).get("transient", {}))


def of_service(integration: str | None) -> set[str]:
    """Every name that a state of this integration may list, but for our own classes."""
    groups = (listed().get(name, {}) for name in ("any", str(integration)))
    return {name for group in groups for names in group.values() for name in names}


@cache
def our_classes() -> dict[str, set[str]]:
    """The names of our exception classes by folder of handlers/."""
    found: dict[str, set[str]] = {}
    for module in walk_packages(handlers.__path__, "handlers."):
        _, folder, *_ = module.name.split(".")
        found.setdefault(folder, set()).update(
            name
            for name, one in inspect.getmembers(import_module(module.name), inspect.isclass)
            if issubclass(one, Exception) and one.__module__ == module.name
        )
    return found


def folder(machine: str) -> str:
    """The folder in handlers/ of a machine's workflow."""
    return FOLDERS.get(machine, machine)


def own_classes(machine: str) -> set[str]:
    """The classes that the functions of a machine can raise."""
    return our_classes()[folder(machine)] | our_classes()["shared"]


def retried(state: State) -> set[str]:
    return {name for rule in state.body.get("Retry", []) for name in rule["ErrorEquals"]}


def caught(state: State) -> set[str]:
    return {name for rule in state.body.get("Catch", []) for name in rule["ErrorEquals"]}
