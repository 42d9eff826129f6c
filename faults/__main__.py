"""`python -m faults`: every fault at every call to AWS. `make faults` calls it."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress

from faults import accepted, coverage, report, runner, stack
from faults.address import Case
from faults.report import Report
from faults.runner import Row
from faults.world import machinery

PAIRS = 300
console = Console(file=sys.__stdout__)  # the machinery silences what functions print


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--workflow", action="append", choices=stack.WORKFLOWS, default=[])
    parser.add_argument(
        "--scenario", action="append", default=[], help="only cases of this scenario"
    )
    parser.add_argument("--case", help="run one case again: the line that the report printed")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"pairs of faults, {PAIRS}")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tenth", action="store_true", help="a fixed tenth of the cases")
    parser.add_argument("--quiet", action="store_true", help="no line for each case")
    parser.add_argument("--page", action="store_true", help="write docs/faults.md, too")
    parser.add_argument("--unstored", action="store_true", help="write no results")
    arguments = parser.parse_args()
    if arguments.case:
        return _replay(Case.parse(arguments.case))
    made = _run(arguments)
    report.show(made, console, every_row=not arguments.quiet)
    if not arguments.unstored:
        console.print(f"Written to {report.write_json(made)}.", soft_wrap=True)
    if arguments.page:
        console.print(f"Written to {report.write_page(made)}.", soft_wrap=True)
    return 1 if made.failed or made.problems else 0


def _run(arguments: argparse.Namespace) -> Report:
    started = time.perf_counter()
    with machinery():
        clean = list(runner.clean_runs(stack.WORKFLOWS))
    cases = [
        case
        for run in clean
        for case in run.cases
        if (not arguments.workflow or case.workflow in arguments.workflow)
        and (not arguments.scenario or case.scenario in arguments.scenario)
    ]
    is_part = bool(arguments.workflow or arguments.scenario)
    chosen = runner.tenth(cases) if arguments.tenth else cases
    sample = [] if is_part else runner.pairs(cases, arguments.pairs, arguments.seed)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("cases", total=len(chosen) + len(sample))

        def tell(chunk: list[Row]) -> None:
            progress.advance(task, len(chunk))
            for row in chunk:
                if row.verdict == "failed":
                    report.show_failed(row, console)

        rows = runner.run_all([*chosen, *sample], arguments.jobs, tell)
    made = Report(
        clean,
        rows[: len(chosen)],
        rows[len(chosen) :],
        arguments.seed,
        time.perf_counter() - started,
        is_complete=not arguments.tenth,
    )
    if is_part:
        made = report.with_stored_results(made)
    made.problems += problems(made, complete=made.is_complete)
    return made


def problems(made: Report, *, complete: bool) -> list[str]:
    """What is wrong with the run itself: broken clean runs, calls without a case, stale entries."""
    found = [
        f"{run.outcome.case} breaks a promise without a fault: {'; '.join(run.outcome.broken)}"
        for run in made.clean
        if run.outcome.broken
    ]
    for workflow in made.workflows:
        calls = {
            call
            for run in made.clean
            if run.outcome.case.workflow == workflow
            for call in run.outcome.calls
        }
        found += [
            f"{workflow}: no case reaches {gap}" for gap in coverage.unreached(workflow, calls)
        ]
        faulty = {call.place for call in calls}
        failing = {
            fault.call.place
            for run in made.clean
            if run.outcome.case.workflow == workflow
            for case in run.cases
            for fault in case.faults
        }
        found += [
            f"{workflow}: no case lets {' '.join(place)} fail" for place in sorted(faulty - failing)
        ]
        seen = {place for row in made.rows if row.case.workflow == workflow for place in row.places}
        found += [
            f"{workflow}: only a fault leads to {' '.join(place)}, so no case lets it fail"
            for place in sorted(seen - faulty)
            if f"function {' '.join(place)}" not in coverage.known_gaps(workflow)
        ]
    if complete:
        used = {reason for row in made.rows for reason in row.accepted_by}
        found += [
            f"accepted.yml: no case needs this entry of {entry.workflow}: {', '.join(entry.calls)}"
            for entry in accepted.entries()
            if entry.workflow in (*made.workflows, "*") and entry.because not in used
        ]
    return found


def _replay(case: Case) -> int:
    with machinery():
        row = runner.run(case)
    console.print(f"{case}\nended: {row.ended}\n{row.verdict}", markup=False, highlight=False)
    _print_all(row.broken)
    _print_all(row.accepted_by)
    return 1 if row.verdict == "failed" else 0


def _print_all(lines: Sequence[str]) -> None:
    for line in lines:
        console.print(f"  {line}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
