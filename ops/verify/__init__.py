"""`python -m ops verify …`: run the end-to-end tests from outside against a deployed stage.

The checks are the tests in tests/e2e that are marked `check`; pytest runs them. Whatever happens to
it, this command then removes what the checks have made, and says what is certain and what it cost.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from ops.account import Account, add_stage_argument
from ops.errors import OpsError
from ops.verify import cost
from ops.verify.outcomes import Check, Report, lines_of, read_outcomes
from ops.verify.traces import Traces

SUMMARY = "check a deployed stage from outside, and remove what the checks made"
ROOT = Path(__file__).resolve().parents[2]
MINUTES = 14  # then the checks are stopped, so that all of it takes less than fifteen
LOCAL = "local"
GRACE_SECONDS = 30  # for pytest to end when it is interrupted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage_argument(parser)
    parser.add_argument("--yes", action="store_true", help="run the checks even against `prod`")
    parser.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="NAME",
        help="only this check; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="only list the checks' names")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a page (Markdown)")


def run(account: Account, options: argparse.Namespace, console: Console) -> bool:
    """Run the checks of a stage. True if none failed, all were run and nothing was left behind."""
    stage, session = options.stage, Session.new()
    if options.list:
        with tempfile.TemporaryDirectory(prefix="stepworks-verify-") as folder:
            for name in collected(pytest_command(stage, session, Path(folder), []), Path(folder)):
                console.print(name)
        return True
    refuse_production(stage, options.yes)
    refuse_missing_stack(account)
    with (
        tempfile.TemporaryDirectory(prefix="stepworks-verify-") as folder,
        interruptible() as stop,
    ):
        paths = Path(folder)
        console.print(f"Checking {account.stack}; what is made begins with {session.prefix}.")
        process = start(pytest_command(stage, session, paths, options.check), paths)
        reason = watch(process, paths / "outcomes", console, stop, set(options.check))
        checks = read_outcomes(paths / "outcomes", options.check)
        if not checks:
            raise OpsError(f"No check was run: {tail(paths / 'output')}")
        traces = Traces(account, session.prefix, session.begun, lines_of(paths / "ledger"))
        with uninterrupted(console):
            console.print("Removing what the checks made …")
            left = traces.remove()
    report = Report(
        stage=stage,
        begun=session.begun,
        seconds=(datetime.now(UTC) - session.begun).total_seconds(),
        checks=checks,
        left=left,
        ended=reason,
        cost=cost.estimate(traces.counts),
    )
    report.show(console)
    if options.report:
        options.report.write_text(report.page(command_line(options)))
        console.print(f"The report is in {options.report}.")
    if reason == INTERRUPTED:
        raise KeyboardInterrupt
    return report.is_good


INTERRUPTED = "interrupted"
OUT_OF_TIME = f"stopped after {MINUTES} minutes"


@dataclass(frozen=True)
class Session:
    """One run of the checks. Everything that it makes has a name with its prefix."""

    prefix: str
    begun: datetime

    @classmethod
    def new(cls) -> "Session":
        return cls(f"verify-{secrets.token_hex(4)}", datetime.now(UTC))


def refuse_production(stage: str, yes: bool) -> None:
    """OpsError for `prod`, unless the person said so."""
    if stage == "prod" and not yes:
        raise OpsError(
            "The checks start executions, send mails and raise alarms. To run them against prod "
            "all the same, add --yes (make verify STAGE=prod YES=1)."
        )


def refuse_missing_stack(account: Account) -> None:
    formation = account.clients("cloudformation")
    try:
        formation.describe_stacks(StackName=account.stack)
    except formation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise OpsError(
            f"There is no stack {account.stack} in this account and region: deploy it first, or "
            "set AWS_PROFILE and AWS_REGION to those where it is."
        ) from None


def command_line(options: argparse.Namespace) -> str:
    chosen = "".join(f" --check {name}" for name in options.check)
    return f"python -m ops verify --stage {options.stage}{chosen}"


# -- pytest ----------------------------------------------------------------------------------------


def pytest_command(stage: str, session: Session, folder: Path, names: list[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "tests/e2e", "-q", "-p", "no:cacheprovider"),
        *("-n", str(processes(stage, names)), "--timeout", str(MINUTES * 60)),
        *("--stage", stage, "--prefix", session.prefix),
        *("--ledger", str(folder / "ledger"), "--outcomes", str(folder / "outcomes")),
        *(word for name in names for word in ("--check", name)),
    ]


def processes(stage: str, names: list[str]) -> int:
    """How many processes run the checks; 0: only pytest's own."""
    if stage != LOCAL:
        return 6  # checks mostly wait
    return 0 if len(names) == 1 else 2


def collected(command: list[str], folder: Path) -> list[str]:
    """The names of all checks, as pytest finds them."""
    finished = subprocess.run(
        [*command, "--collect-only", "-n", "0"], cwd=ROOT, capture_output=True, text=True
    )
    if finished.returncode:
        said = (finished.stdout + finished.stderr)[-500:]
        raise OpsError(f"The checks could not be read: {said}")
    return [check.name for check in read_outcomes(folder / "outcomes", [])]


def start(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "output").open("wb") as output:
        # In a session of its own: Ctrl-C reaches this process alone, which then ends the other.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def watch(
    process: "subprocess.Popen[bytes]",
    outcomes: Path,
    console: Console,
    stop: Callable[[], bool],
    wanted: set[str],
) -> str:
    """Show outcomes as they come, until the process ends. Why it was stopped, if it was."""
    deadline, shown, reason = time.monotonic() + MINUTES * 60, 0, ""
    while True:
        running = process.poll() is None
        lines = list(lines_of(outcomes))
        for line in lines[shown:]:
            if "check" in line and (not wanted or line["check"] in wanted):
                console.print(Check.from_line(line).line(), soft_wrap=True, highlight=False)
        shown = len(lines)
        if not running:
            return reason
        if not reason and (stop() or time.monotonic() > deadline):
            reason = INTERRUPTED if stop() else OUT_OF_TIME
            console.print(f"The checks are {reason}.")
            end(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End pytest and its workers. It gets the time to undo what the running tests have done."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def tail(path: Path) -> str:
    return path.read_text(errors="replace").strip()[-500:]


# -- Ctrl-C ----------------------------------------------------------------------------------------


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """While in `with`, Ctrl-C and SIGTERM are remembered and end nothing."""
    asked: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted(console: Console) -> Iterator[None]:
    """Say that Ctrl-C has no effect now."""

    def refuse(*_: object) -> None:
        console.print("Please wait: what the checks made is being removed.")

    before = signal.signal(signal.SIGINT, refuse)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
