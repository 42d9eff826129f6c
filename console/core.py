"""What all pages share: AWS, the stack, its runs, and what is hidden."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from console.aws import Aws, BadRequestError, NotFoundError
from console.links import Cached
from console.logs import Logs
from console.redaction import Redaction
from console.runs import Runs
from console.stack import Inventory, discover
from console.topology import Reader, Rule, Topology, read_rule

if TYPE_CHECKING:
    from console.events import EventLog

REDISCOVERED = 30.0  # seconds after which the stack is looked at again: it may have been deployed
SELDOM = 120.0  # seconds after which rules and methods are read again


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
        self._topology = Reader(aws)
        self._event_log: EventLog | None = None
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

    @property
    def topology(self) -> Topology:
        """The stack's parts and how they are connected."""
        return self._topology.topology(self.inventory)

    def event_log(self) -> "EventLog | None":
        """The stack's event log, if it has one."""
        from console.events import EventLog

        table = self.inventory.event_log
        with self._lock:
            if table is None or self._event_log is None or self._event_log.table != table:
                self._event_log = EventLog(self.aws, table) if table else None
            return self._event_log

    @property
    def known_event_log(self) -> "EventLog | None":
        """The event log if it was read before: nothing is read."""
        return self._event_log

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
        inventory = self.inventory
        buses = [bus.name for bus in inventory.of_kind("bus")]
        for resource in inventory.of_kind("rule"):
            with suppress(NotFoundError):
                rule = read_rule(self.aws, resource, buses)
                if rule is not None:
                    yield rule

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
