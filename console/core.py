"""What all pages share: AWS, the stack, its runs, and what is hidden."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from console.aws import Aws, BadRequestError, NotFoundError
from console.links import Cached
from console.logs import Logs
from console.redaction import Redaction
from console.runs import Runs
from console.stack import Inventory, discover

REDISCOVERED = 30.0  # seconds after which the stack is looked at again: it may have been deployed
SELDOM = 120.0  # seconds after which rules and methods are read again

DEFAULT_BUS = "default"


@dataclass(frozen=True)
class Rule:
    """A rule of EventBridge."""

    name: str
    title: str
    bus: str  # name
    enabled: bool
    pattern: str | None  # JSON text; None: it has a schedule
    targets: list[dict[str, Any]]


class Console:
    """One stack, seen through one person's credentials."""

    def __init__(self, aws: Aws, stack: str, writable: bool, catalogue: Path | None = None) -> None:
        self.aws = aws
        self.stack = stack
        self.writable = writable
        self.catalogue = catalogue  # of events: event_catalogue.py
        self.redaction = Redaction()
        self.logs = Logs(aws)
        self._rules: Cached[Rule] = Cached(SELDOM)
        self._api_methods: Cached[tuple[str, str]] = Cached(SELDOM)
        self._runs: Runs | None = None
        self._discovered = 0.0
        self._lock = threading.Lock()

    @property
    def local(self) -> bool:
        """Whether AWS is on this machine."""
        host = urlsplit(self.aws.endpoint or "").hostname
        return host in ("127.0.0.1", "localhost", "::1")

    @property
    def inventory(self) -> Inventory:
        return self.runs.inventory

    @property
    def runs(self) -> Runs:
        """The stack's runs. Raises ConsoleError if the stack cannot be read."""
        with self._lock:
            if self._runs is None or time.monotonic() - self._discovered > REDISCOVERED:
                self._discover()
            assert self._runs is not None
            return self._runs

    @property
    def known_runs(self) -> Runs | None:
        """The stack's runs as they are known: nothing is read."""
        return self._runs

    def _discover(self) -> None:
        inventory = discover(self.aws, self.stack)
        if self._runs is None or inventory.machines != self._runs.inventory.machines:
            self._runs = Runs(self.aws, inventory, self.redaction)
        else:
            self._runs.inventory = inventory
        self._discovered = time.monotonic()

    # -- What sets machines off -------------------------------------------------------------------

    def rules(self) -> list[Rule]:
        """The rules of the stack. Those that cannot be read are left out."""
        return self._rules.get(self._read_rules)

    def rule_targets(self) -> list[tuple[str, str]]:
        """(title of a rule, ARNs of its targets) for each rule of the stack."""
        return [
            (rule.title, " ".join(target["Arn"] for target in rule.targets))
            for rule in self.rules()
        ]

    def _read_rules(self) -> Iterator[Rule]:
        for resource in self.inventory.of_kind("rule"):
            bus, _, name = resource.physical_id.rpartition("|")
            # The physical id is `bus|rule`; on the default bus the rule's name alone. An emulator
            # may leave the bus out, or give the rule's ARN.
            own = [one.name for one in self.inventory.of_kind("bus")]
            for place in [bus.rpartition("/")[2]] if bus else [DEFAULT_BUS, *own]:
                with suppress(NotFoundError):
                    yield self._read_rule(name.rpartition("/")[2], place, resource.title)
                    break

    def _read_rule(self, name: str, bus: str, title: str) -> Rule:
        described = self.aws.call("events", "describe_rule", Name=name, EventBusName=bus)
        targets = self.aws.call("events", "list_targets_by_rule", Rule=name, EventBusName=bus)
        return Rule(
            name,
            title.rpartition("|")[2],
            bus,
            described.get("State", "ENABLED") != "DISABLED",
            described.get("EventPattern"),
            targets["Targets"],
        )

    def api_methods(self) -> list[tuple[str, str]]:
        """(method and path, its integration) for each method of the stack's REST APIs."""
        return self._api_methods.get(self._read_api_methods)

    def _read_api_methods(self) -> Iterator[tuple[str, str]]:
        for api in self.inventory.of_kind("api"):
            with suppress(NotFoundError, BadRequestError):
                for item in self.aws.pages(
                    "apigateway",
                    "get_resources",
                    "items",
                    restApiId=api.physical_id,
                    embed=["methods"],
                ):
                    for method, details in item.get("resourceMethods", {}).items():
                        integration = details.get("methodIntegration", {})
                        yield f"{method} {item['path']}", json.dumps(integration, default=str)
