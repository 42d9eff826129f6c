"""Runs cases on all processors, or a tenth of them in this process."""

import random
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from faults import matrix
from faults.accepted import accepting
from faults.address import Case
from faults.world import machinery

# Runs of a case until its fault happens. Which of two threads acts first at one moment differs, so
# a call that depends on it is not made in each run.
TRIES = 5
HUNG_SECONDS = 300  # a case takes a tenth of a second on an idle machine
_CHUNK = 20


@dataclass(frozen=True)
class Row:
    """A case in the report."""

    case: Case
    ended: str
    verdict: str  # held, accepted or failed
    broken: tuple[str, ...]
    accepted_by: tuple[str, ...] = ()  # reasons
    places: frozenset[tuple[str, str]] = frozenset()  # of all its calls


@dataclass(frozen=True)
class CleanRun:
    """A scenario without a fault, and its cases."""

    outcome: matrix.Outcome
    cases: tuple[Case, ...]


def clean_runs(workflows: Iterable[str]) -> Iterator[CleanRun]:
    for name in workflows:
        for scenario in matrix.workflow(name).scenarios:
            yield clean_run(name, scenario.name)


def clean_run(workflow: str, scenario: str) -> CleanRun:
    of = matrix.workflow(workflow)
    outcome = matrix.run(Case(workflow, scenario))
    return CleanRun(outcome, tuple(matrix.cases(of, of.scenario(scenario), outcome.calls)))


def run(case: Case) -> Row:
    """Run a case and judge it. A tool that fails itself is a failed case, too."""
    try:
        for _ in range(TRIES):
            with _limited(HUNG_SECONDS):
                outcome = matrix.run(case)
            if outcome.reached:
                break
    except Exception as error:
        return Row(case, "the tool failed", "failed", (f"{type(error).__name__}: {error}",))
    broken = outcome.broken
    if not outcome.reached:
        broken = (*broken, "the fault did not happen: no such call was made")
    places = frozenset(call.place for call in outcome.calls)
    if not broken:
        return Row(case, outcome.ended, "held", (), places=places)
    entries = accepting(case, broken)
    if entries is None:
        return Row(case, outcome.ended, "failed", broken, places=places)
    reasons = tuple(entry.because for entry in entries)
    return Row(case, outcome.ended, "accepted", broken, reasons, places)


def run_all(cases: Sequence[Case], jobs: int, tell: Callable[[list[Row]], None]) -> list[Row]:
    """Run cases in several processes; `tell` gets the rows as they are made."""
    rows: list[Row] = []
    chunks = [list(cases[start : start + _CHUNK]) for start in range(0, len(cases), _CHUNK)]
    with ProcessPoolExecutor(jobs, initializer=_enter_machinery) as pool:
        for chunk in pool.map(_run_chunk, chunks):
            rows += chunk
            tell(chunk)
    return rows


def tenth(cases: Iterable[Case]) -> list[Case]:
    """A tenth of the cases, the same ones each time."""
    return [case for case in cases if zlib.crc32(str(case).encode()) % 10 == 0]


def pairs(cases: Sequence[Case], count: int, seed: int) -> list[Case]:
    """A sample of pairs of faults in the same scenario."""
    chosen = random.Random(seed)
    by_scenario: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        by_scenario.setdefault((case.workflow, case.scenario), []).append(case)
    groups = [group for group in by_scenario.values() if len(group) > 1]
    found = []
    for _ in range(count):
        first, second = chosen.sample(chosen.choice(groups), 2)
        found.append(replace(first, faults=(*first.faults, *second.faults)))
    return found


_machinery: list[Any] = []


def _enter_machinery() -> None:
    entered = machinery()
    entered.__enter__()
    _machinery.append(entered)  # until the process ends


def _run_chunk(cases: list[Case]) -> list[Row]:
    return [run(case) for case in cases]


class _limited:
    """Fail what takes too long: something in it waits in real time."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        def fail(*_: Any) -> None:
            raise TimeoutError(f"the case took more than {self._seconds} s")

        self._before = signal.signal(signal.SIGALRM, fail)
        # pytest-timeout uses the same timer.
        self._left, _ = signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        signal.setitimer(signal.ITIMER_REAL, self._left)
