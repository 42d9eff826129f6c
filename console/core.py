"""What all pages share: AWS, the stack, its runs, and what is hidden."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from console.aws import Aws, ConsoleError
from console.kept import Kept
from console.logs import Logs
from console.redaction import Redaction
from console.runs import Runs
from console.stack import Inventory, discover
from console.table_items import TableKeys, read_table_keys
from console.topology import FRESH, Reader, Rule, Topology

if TYPE_CHECKING:
    from console.events import EventLog

REDISCOVERED = 30.0  # seconds after which the stack is looked at again: it may have been deployed


class Console:
    """One stack, seen through one person's credentials."""

    def __init__(self, aws: Aws, stack: str, writable: bool, catalogue: Path | None = None) -> None:
        self.aws = aws
        self.stack = stack
        self.writable = writable
        self.catalogue = catalogue  # of events: event_catalogue.py
        self.redaction = Redaction()
        self.logs = Logs(aws)
        # Called when the stack or the connections of its parts have changed, in any thread.
        self.on_change: Callable[[], None] = lambda: None
        self._inventory = Kept(lambda: discover(aws, stack), REDISCOVERED, self._has_changed)
        self._reader = Reader(aws)
        self._topology = Kept(
            lambda: self._reader.read(self.inventory), FRESH, lambda: self.on_change()
        )
        self._table_keys = Kept(
            lambda: read_table_keys(aws, self.inventory.of_kind("table")),
            FRESH,
            lambda: self.on_change(),
        )
        self._event_log: EventLog | None = None
        self._runs: Runs | None = None
        self._lock = threading.Lock()

    @property
    def local(self) -> bool:
        """Whether AWS is on this machine."""
        host = urlsplit(self.aws.endpoint or "").hostname
        return host in ("127.0.0.1", "localhost", "::1")

    def _has_changed(self) -> None:
        self._topology.expire()
        self._table_keys.expire()
        self.on_change()

    def prepare(self) -> None:
        """Read what pages need first, before somebody opens them. Raises nothing."""
        with suppress(ConsoleError):
            self.runs.refresh(older_than=1.0)
            _ = self.topology
            if (log := self.event_log()) is not None:
                log.refresh()

    @property
    def inventory(self) -> Inventory:
        """What the stack has. Raises ConsoleError if the stack cannot be read."""
        return self._inventory.get()

    @property
    def runs(self) -> Runs:
        """The stack's runs. Raises ConsoleError if the stack cannot be read."""
        inventory = self.inventory
        with self._lock:
            if self._runs is None or inventory.machines != self._runs.inventory.machines:
                self._runs = Runs(self.aws, inventory, self.redaction)
            else:
                self._runs.inventory = inventory
            return self._runs

    @property
    def known_runs(self) -> Runs | None:
        """The stack's runs as they are known: nothing is read."""
        return self._runs

    @property
    def topology(self) -> Topology:
        """The stack's parts and how they are connected. What may not be read is left out."""
        return self._topology.get()

    def topology_soon(self, seconds: float) -> Topology | None:
        """The same, or None if it has never been read and takes longer than that."""
        return self._topology.known or self._topology.soon(seconds)

    def table_keys_soon(self, seconds: float) -> TableKeys | None:
        """The keys of the stack's tables, or None if reading them takes longer than that."""
        return self._table_keys.soon(seconds)

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

    def rules(self) -> list[Rule]:
        """The rules of the stack. Those that cannot be read are left out."""
        return self.topology.rules
