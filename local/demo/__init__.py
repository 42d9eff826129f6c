"""The demo: one scene for each workflow, on real input, with its results checked.

A scene has a `TITLE` and a `play(aws, console, quick)`. `play` shows the progress, returns a
Summary, and raises LocalError if a result is wrong.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from local.aws import Aws
from local.demo import cookies as cookies
from local.demo import images as images
from local.demo import large_file as large_file
from local.demo import messages as messages
from local.demo import sensor as sensor
from local.demo import signature as signature
from local.demo.summary import Summary
from local.errors import LocalError

WIDTH = 80  # of the terminal that the summaries fit


class Scene(Protocol):
    TITLE: str

    def play(self, aws: Aws, console: Console, *, quick: bool) -> Summary: ...


SCENES: tuple[Scene, ...] = (sensor, signature, cookies, messages, images)


@dataclass
class SceneRun:
    """A scene that is running or has ended."""

    title: str
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    summary: Summary | None = None  # None while the scene runs, and if it failed

    @property
    def workflow(self) -> str:
        return self.title.partition(": ")[0]

    @property
    def took(self) -> str:
        return f"{(self.ended or time.monotonic()) - self.started:.1f} s"

    @property
    def symbol(self) -> RenderableType:
        if self.ended is None:
            return Spinner("dots")
        return "[green]✓" if self.summary else "[red]✗"

    def __rich__(self) -> Table:
        line = Table.grid("", "", "", "", padding=(0, 1))
        line.columns[1].min_width = max(len(scene.TITLE.partition(":")[0]) for scene in SCENES)
        line.columns[3].justify = "right"
        line.add_row(self.symbol, self.workflow, escape(self.title.partition(": ")[2]), self.took)
        return line


def run(aws: Aws, console: Console, *, quick: bool, verbose: bool, large: bool = False) -> None:
    """Play every scene: a line for each, all steps if `verbose`. LocalError if one fails.

    With `large`, a file of a million rows, too, which takes minutes.
    """
    runs = []
    for scene in (*SCENES, large_file) if large else SCENES:
        with shown(scene, console, verbose=verbose) as scene_run:
            runs.append(scene_run)
            steps = console if verbose else Console(quiet=True)
            scene_run.summary = scene.play(aws, steps, quick=quick)
    show_summaries(console, runs)


@contextmanager
def shown(scene: Scene, console: Console, *, verbose: bool) -> Iterator[SceneRun]:
    """Show that a scene runs, how long it takes and how it ends."""
    scene_run = SceneRun(scene.TITLE)
    if verbose:
        console.rule(f"[bold]{scene.TITLE}", align="left")
        yield scene_run
        scene_run.ended = time.monotonic()
        return
    # A file or a pipe gets the line when the scene has ended.
    live: AbstractContextManager[object] = nullcontext()
    if console.is_terminal:
        live = Live(scene_run, console=console, refresh_per_second=8)
    try:
        with live:
            try:
                yield scene_run
            finally:
                scene_run.ended = time.monotonic()
    except LocalError as error:
        raise LocalError(f"{error}\n  Every step is shown by: make demo VERBOSE=1") from error
    finally:
        if not console.is_terminal:
            console.print(scene_run)


def show_summaries(console: Console, runs: list[SceneRun]) -> None:
    played = [(scene_run, scene_run.summary) for scene_run in runs if scene_run.summary]
    longest = max(len(word) for _, summary in played for word in summary.where.split())
    table = Table("workflow", "what it did", box=box.SIMPLE)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("where to look at it", width=max(longest, len("where to look at it")))
    for scene_run, summary in played:
        table.add_row(
            scene_run.workflow, escape(summary.did), scene_run.took, escape(summary.where)
        )
    console.print(table, highlight=False)
    console.print("`make up` prints the names of these tables, buckets and queues.")
    for _, summary in played:
        if summary.next_step:
            console.print(summary.next_step, soft_wrap=True, highlight=False)
