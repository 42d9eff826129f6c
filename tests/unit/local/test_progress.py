"""Executions are watched until all have ended, or for so long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from local.demo import progress
from local.errors import LocalError

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass
class Job:
    name: str
    looks: int  # until it has ended

    @property
    def ended(self) -> bool:
        return self.looks == 0


def update(unfinished: Sequence[Job]) -> None:
    for job in unfinished:
        job.looks -= 1


def table(jobs: Sequence[Job]) -> Table:
    shown = Table("job")
    for job in jobs:
        shown.add_row(job.name)
    return shown


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0)
    return Console(file=StringIO())


def test_only_unfinished_items_are_updated(console: Console) -> None:
    jobs = [Job("short", 1), Job("long", 3), Job("over", 0)]

    progress.watch(console, jobs, update, table, seconds=60)

    assert all(job.looks == 0 for job in jobs)


def test_items_that_are_not_finished_in_time_are_named(console: Console) -> None:
    jobs = [Job("over", 0), Job("slow", 1_000_000)]

    with pytest.raises(LocalError, match="after 0 s: slow"):
        progress.watch(console, jobs, update, table, seconds=0)


def test_the_time_an_execution_took_is_known_when_it_has_ended() -> None:
    ended = {"status": "FAILED", "startDate": NOON, "stopDate": NOON + timedelta(seconds=1.26)}

    assert [progress.took(one) for one in ({}, {"status": "RUNNING"}, ended)] == ["", "", "1.3 s"]
