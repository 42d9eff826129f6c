"""What the checks found: read from the file that pytest writes, shown as a table and as a page."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.verify.cost import AS_OF

PASSED, ONLY_ON_AWS, NOT_RUN, FAILED = "passed", "only on AWS", "not run", "failed"
# Of a check with several tests, the last of these counts.
BY_WEIGHT = (PASSED, ONLY_ON_AWS, NOT_RUN, FAILED)
MEANING = 'In the reasons for "only on AWS", "it" is the local AWS.'
COLOURS = {PASSED: "green", ONLY_ON_AWS: "yellow", NOT_RUN: "red", FAILED: "red"}


@dataclass
class Check:
    """A check's outcome: the worst of its tests'. Not run until one of them has ended."""

    name: str
    outcome: str = NOT_RUN
    message: str = ""
    seconds: float = 0

    @classmethod
    def from_line(cls, line: dict[str, Any]) -> "Check":
        return cls(line["check"], line["outcome"], line["message"], line["seconds"])

    def line(self) -> Text:
        text = Text(f"{self.outcome:<12}", COLOURS[self.outcome])
        text.append(f"{self.name} ({self.seconds:.0f} s)", "default")
        if self.outcome in (NOT_RUN, FAILED):
            text.append(f": {self.message}", "default")
        return text


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are complete: a process may have been killed while it wrote one."""
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            yield json.loads(text)
        except ValueError:
            continue


def read_outcomes(path: Path, wanted: list[str]) -> list[Check]:
    """Every check that was collected or asked for, by name."""
    found: dict[str, Check] = {name: Check(name, message="no such check") for name in wanted}
    ended: set[str] = set()
    for line in lines_of(path):
        for name in line.get("collected", []):
            found[name] = Check(name, message="it did not end")
        if "check" not in line or (wanted and line["check"] not in wanted):
            continue
        new = Check.from_line(line)
        known = found.setdefault(new.name, Check(new.name))
        seconds = known.seconds + new.seconds
        if new.name in ended and BY_WEIGHT.index(new.outcome) <= BY_WEIGHT.index(known.outcome):
            new = known
        found[new.name] = Check(new.name, new.outcome, new.message, seconds)
        ended.add(new.name)
    return [found[name] for name in sorted(found)]


@dataclass
class Report:
    """A run of the checks against a stage."""

    stage: str
    begun: datetime
    seconds: float
    checks: list[Check]
    left: list[str]  # what could not be removed
    ended: str = ""  # why it ended early
    cost: float = 0  # USD
    counts: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counter(check.outcome for check in self.checks)

    @property
    def is_good(self) -> bool:
        return not (self.counts[FAILED] or self.counts[NOT_RUN] or self.left or self.ended)

    @property
    def summary(self) -> str:
        counts = ", ".join(f"{self.counts[outcome]} {outcome}" for outcome in BY_WEIGHT)
        return f"{len(self.checks)} checks: {counts}; {self.seconds / 60:.1f} minutes"

    @property
    def cost_line(self) -> str:
        if self.stage == "local":
            return f"On AWS, about as much would cost {self.cost:.2f} USD ({AS_OF}; an estimate)."
        return f"It cost about {self.cost:.2f} USD (us-east-1, {AS_OF}; an estimate)."

    def show(self, console: Console) -> None:
        table = Table("Check", "Outcome", "Seconds", "Reason", box=None)
        for check in self.checks:
            outcome = Text(check.outcome, COLOURS[check.outcome])
            table.add_row(check.name, outcome, f"{check.seconds:.0f}", Text(check.message))
        console.print(table)
        console.print(f"[bold]{self.summary}.[/bold]", highlight=False)
        console.print(self.cost_line, highlight=False)
        for one in self.left:
            console.print(Text(f"Not removed: {one}", "red"), soft_wrap=True)

    def page(self, command: str) -> str:
        """The report as Markdown."""
        rows = [
            f"| `{check.name}` | {check.outcome} | {check.seconds:.0f} | {_cell(check.message)} |"
            for check in self.checks
        ]
        return "\n".join(
            [
                f"# Checks of the stage {self.stage}",
                "",
                f"Run on {self.begun:%Y-%m-%d at %H:%M} UTC by `{command}`, which also wrote this",
                "page. [Operations](operations.md#checking-a-stage) says how to run the checks,",
                "[doubts about AWS](aws-doubts.md) what it means if one fails.",
                "",
                f"{self.summary}. {self.cost_line}",
                *([MEANING] if self.stage == "local" else []),
                *([f"It ended early: {self.ended}."] if self.ended else []),
                *(f"Not removed: {_cell(one)}" for one in self.left),
                "",
                "| check | outcome | seconds | reason |",
                "| --- | --- | --- | --- |",
                *rows,
                "",
            ]
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
