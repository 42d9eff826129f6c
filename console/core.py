"""What all pages share: AWS, the stack, its runs, and what is hidden."""

import threading
import time
from urllib.parse import urlsplit

from console.aws import Aws
from console.redaction import Redaction
from console.runs import Runs
from console.stack import Inventory, discover

REDISCOVERED = 30.0  # seconds after which the stack is looked at again: it may have been deployed


class Console:
    """One stack, seen through one person's credentials."""

    def __init__(self, aws: Aws, stack: str, writable: bool) -> None:
        self.aws = aws
        self.stack = stack
        self.writable = writable
        self.redaction = Redaction()
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
