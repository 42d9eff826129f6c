"""What all pages share: AWS, the stack, its runs, and what is hidden."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from console.aws import Aws, BadRequestError, NotFoundError
from console.links import Cached
from console.logs import Logs
from console.redaction import Redaction
from console.runs import Runs
from console.stack import Inventory, discover
from console.topology import Reader, Topology
from handlers.observability.timeline import Event

REDISCOVERED = 30.0  # seconds after which the stack is looked at again: it may have been deployed
SELDOM = 120.0  # seconds after which rules and methods are read again


class Console:
    """One stack, seen through one person's credentials."""

    def __init__(self, aws: Aws, stack: str, writable: bool) -> None:
        self.aws = aws
        self.stack = stack
        self.writable = writable
        self.redaction = Redaction()
        self.logs = Logs(aws)
        self._rule_targets = Cached(SELDOM)
        self._api_methods = Cached(SELDOM)
        self._topology = Reader(aws)
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

    def events_since(self, since: int) -> list[Event]:
        return []

    # -- What sets machines off -------------------------------------------------------------------

    def rule_targets(self) -> list[tuple[str, str]]:
        """(title of a rule, ARNs of its targets) for each rule of the stack."""
        return self._rule_targets.get(self._read_rule_targets)

    def _read_rule_targets(self) -> Iterator[tuple[str, str]]:
        for rule in self.inventory.of_kind("rule"):
            # The physical id is `bus|rule`; on the default bus the rule's name alone.
            bus, _, name = rule.physical_id.rpartition("|")
            with suppress(NotFoundError):
                targets = self.aws.call(
                    "events",
                    "list_targets_by_rule",
                    Rule=name.rpartition("/")[2],
                    **({"EventBusName": bus} if bus else {}),
                )["Targets"]
                yield rule.title.rpartition("|")[2], " ".join(one["Arn"] for one in targets)

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
