"""Progress of executions, shown in the terminal until all have ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.errors import LocalError

POLL_SECONDS = 0.2


class Watched(Protocol):
    """Something that an execution processes."""

    @property
    def name(self) -> str: ...

    @property
    def ended(self) -> bool: ...


W = TypeVar("W", bound=Watched)


def watch(
    console: Console,
    items: Sequence[W],
    update: Callable[[Sequence[W]], None],
    table: Callable[[Sequence[W]], Table],
    *,
    seconds: float,
) -> None:
    """Show the table of all items until all have ended. `update` refreshes those that have not.

    LocalError names what has not ended within `seconds`.
    """
    deadline = time.monotonic() + seconds
    with Live(table(items), console=console, refresh_per_second=8) as live:
        while unfinished := [item for item in items if not item.ended]:
            if time.monotonic() > deadline:
                names = ", ".join(item.name for item in unfinished)
                raise LocalError(f"Not finished after {seconds:g} s: {names}.")
            update(unfinished)
            live.update(table(items))
            time.sleep(POLL_SECONDS)


def has_ended(execution: Mapping[str, Any]) -> bool:
    """Whether an execution, as Step Functions describes it, has ended. False for an empty one."""
    return bool(execution) and execution["status"] != "RUNNING"


def took(execution: Mapping[str, Any]) -> str:
    """How long an execution took; empty if it has not ended."""
    if not has_ended(execution):
        return ""
    return f"{(execution['stopDate'] - execution['startDate']).total_seconds():.1f} s"
