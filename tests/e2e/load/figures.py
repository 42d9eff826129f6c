"""What the load tests measure, as a table in docs/reliability.md."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles

from tests.e2e.load.usage import Usage

HEADINGS = (
    *("load", "all ended after", "a second", "an execution: median", "95 %", "longest"),
    *("most processes", "memory before", "most", "after", "load average before"),
)


@dataclass
class Figure:
    """One row of the table."""

    title: str
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    items: int = 0
    durations: Sequence[float] = ()  # of the executions
    usage: Usage | None = None

    def work(self, items: int, durations: Sequence[float]) -> None:
        """All items have been processed now, by executions that took so many seconds."""
        self.seconds = time.monotonic() - self.began
        self.items, self.durations = items, durations

    def used(self, usage: Usage) -> None:
        """The last thing of a test: it has passed."""
        self.usage = usage

    def cells(self) -> list[str]:
        assert self.usage
        return [
            *(self.title, f"{self.seconds:.0f} s", f"{self.items / self.seconds:.1f}"),
            *(f"{median(self.durations):.1f} s", f"{percentile(self.durations, 95):.1f} s"),
            *(f"{max(self.durations):.1f} s", str(self.usage.workers)),
            *(f"{self.usage.before_mb} MB", f"{self.usage.server_mb} MB"),
            *(f"{self.usage.after_mb} MB", f"{self.load_average:.1f}"),
        ]


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


class Figures:
    """The rows of a run, in the order of its tests."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []

    @contextmanager
    def of(self, title: str) -> Iterator[Figure]:
        figure = Figure(title)
        self._figures.append(figure)
        yield figure

    def table(self) -> str:
        """Only of a run in which every test has passed."""
        assert all(figure.usage for figure in self._figures)
        rows = [HEADINGS, ["---"] * len(HEADINGS), *(one.cells() for one in self._figures)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
