"""The matrix as a table, as JSON and as a page."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from faults import accepted, coverage
from faults.address import Case
from faults.runner import CleanRun, Row
from tests.support.asl import ROOT

RESULTS = ROOT / "faults" / "results"
PAGE = ROOT / "docs" / "faults.md"
REPLAY = ".venv/bin/python -m faults --case '{}'"


@dataclass
class Report:
    """The rows of a run of the matrix, and what it could not do."""

    clean: Sequence[CleanRun]
    rows: Sequence[Row]
    pairs: Sequence[Row]
    seed: int
    seconds: float
    is_complete: bool = True  # or a tenth of the cases
    problems: list[str] = field(default_factory=list)  # beside failed rows

    @property
    def failed(self) -> list[Row]:
        return [row for row in (*self.rows, *self.pairs) if row.verdict == "failed"]

    @property
    def workflows(self) -> list[str]:
        return list(dict.fromkeys(run.outcome.case.workflow for run in self.clean))

    def counts(self) -> list[list[str]]:
        """A line for each workflow: scenarios, calls, cases, and how many held."""
        lines = []
        for workflow in self.workflows:
            runs = [run for run in self.clean if run.outcome.case.workflow == workflow]
            rows = [row for row in self.rows if row.case.workflow == workflow]
            verdicts = Counter(row.verdict for row in rows)
            calls = {(r.outcome.case.scenario, call) for r in runs for call in r.outcome.calls}
            places = {call.place for _, call in calls}
            lines.append(
                [
                    workflow, str(len(runs)), str(len(calls)), str(len(places)), f"{len(rows):,}",
                    *(f"{verdicts[verdict]:,}" for verdict in ("held", "accepted", "failed")),
                ]
            )  # fmt: skip
        return lines


COLUMNS = (
    "workflow", "scenarios", "calls", "distinct calls", "cases", "held", "accepted", "failed",
)  # fmt: skip


def show(report: Report, console: Console, *, every_row: bool) -> None:
    if every_row:
        for workflow in report.workflows:
            _show_matrix(workflow, report.rows, console)
    table = Table(*COLUMNS, box=box.SIMPLE, title="Faults", title_justify="left")
    for line in report.counts():
        table.add_row(*line)
    console.print(table)
    if report.pairs:
        verdicts = Counter(row.verdict for row in report.pairs)
        console.print(
            f"Pairs of faults: {len(report.pairs)} (seed {report.seed}), of which "
            f"{verdicts['held']} held, {verdicts['accepted']} were accepted, "
            f"{verdicts['failed']} failed."
        )
    for problem in report.problems:
        console.print(f"[red]{problem}[/]", highlight=False)


def show_failed(row: Row, console: Console) -> None:
    """What was promised and is not so, and the line that runs the case again."""
    console.print(f"\n[red]FAILED[/] {row.ended}", highlight=False)
    for promise in row.broken:
        console.print(f"  {promise}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"  {REPLAY.format(row.case)}", highlight=False, markup=False, soft_wrap=True)


def _show_matrix(workflow: str, rows: Iterable[Row], console: Console) -> None:
    """Every call and fault: how it ended, and whether the promises held."""
    table = Table("scenario", "call", "fault", "ended", "", box=box.SIMPLE, title=workflow)
    for row in rows:
        if row.case.workflow == workflow:
            (fault,) = row.case.faults
            what = f"{fault.kind}, {fault.times}"
            table.add_row(row.case.scenario, str(fault.call), what, row.ended, row.verdict)
    console.print(table)


def with_stored_results(report: Report) -> Report:
    """A part of the matrix, completed by what the last complete run has found for the rest."""
    stored = json.loads((RESULTS / "matrix.json").read_text())
    ran = {str(row.case): row for row in report.rows}
    kept = {str(row.case): row for row in map(_as_row, stored["cases"])}
    cases = [case for run in report.clean for case in run.cases]
    rows = [ran.get(str(case)) or kept.get(str(case)) for case in cases]
    return replace(
        report,
        rows=[row for row in rows if row is not None],
        pairs=[_as_row(pair) for pair in stored["pairs"]],
        seed=stored["seed"],
        seconds=stored["seconds"] + report.seconds,
        is_complete=report.is_complete and None not in rows,
    )


def _as_row(stored: dict[str, Any]) -> Row:
    case, broken = Case.parse(stored["case"]), tuple(stored.get("broken", ()))
    entries = accepted.accepting(case, broken) if broken else ()
    reasons = tuple(entry.because for entry in entries or ())
    return Row(case, stored["ended"], stored["verdict"], broken, reasons)


def write_json(report: Report) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "matrix.json"
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(report.seconds),
        "seed": report.seed,
        "problems": report.problems,
    }
    parts = [json.dumps(document, indent=1).removesuffix("\n}")]
    for name, rows in (("cases", report.rows), ("pairs", report.pairs)):
        lines = ",\n".join(json.dumps(_as_json(row)) for row in rows)  # a line for each case
        parts.append(f' "{name}": [\n{lines}\n ]')
    path.write_text(",\n".join(parts) + "\n}\n")
    return path


def _as_json(row: Row) -> dict[str, Any]:
    written: dict[str, Any] = {"case": str(row.case), "ended": row.ended, "verdict": row.verdict}
    if row.broken:
        written |= {"broken": row.broken, "replay": REPLAY.format(row.case)}
    return written


def write_page(report: Report) -> Path:
    """The part of docs/faults.md below its marker: counts and lists."""
    before, marker, _ = PAGE.read_text().partition("<!-- made by `make faults` -->\n")
    assert marker, f"{PAGE} has no marker"
    PAGE.write_text(before + marker + "\n" + "\n".join(_page(report)) + "\n")
    return PAGE


def _page(report: Report) -> list[str]:
    today, minutes = f"{datetime.now(UTC):%-d %B %Y}", report.seconds / 60
    what = "All cases: `make faults`" if report.is_complete else "A fixed tenth of the cases"
    lines = [f"{what}, run on {today} in {minutes:.0f} minutes on two processors.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    lines += [f"| {' | '.join(line)} |" for line in report.counts()]
    verdicts = Counter(row.verdict for row in report.pairs)
    lines += [
        "",
        f"Of {len(report.pairs)} random pairs of faults (seed {report.seed}), {verdicts['held']} "
        f"held, {verdicts['accepted']} were accepted and {verdicts['failed']} failed.",
        "",
        "### By kind of fault",
        "",
        "| fault | cases | held | accepted | failed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for kind in dict.fromkeys(row.case.faults[0].kind for row in report.rows):
        of_kind = Counter(r.verdict for r in report.rows if r.case.faults[0].kind is kind)
        numbers = " | ".join(f"{of_kind[v]:,}" for v in ("held", "accepted", "failed"))
        lines.append(f"| {kind} | {of_kind.total():,} | {numbers} |")
    lines += ["", "### Accepted outcomes", "", "| workflow | calls | faults | why |"]
    lines += ["| --- | --- | --- | --- |"]
    for entry in accepted.entries():
        calls = ", ".join(f"`{call}`" for call in entry.calls)
        kinds = ", ".join(sorted(entry.kinds))
        lines.append(f"| {entry.workflow} | {calls} | {kinds} | {entry.because} |")
    lines += ["", "### Not reached", "", "| workflow | what | why |", "| --- | --- | --- |"]
    for workflow in report.workflows:
        for gap, reason in coverage.known_gaps(workflow).items():
            lines.append(f"| {workflow} | `{gap}` | {reason} |")
    return lines
