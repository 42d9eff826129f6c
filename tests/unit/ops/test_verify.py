"""`python -m ops verify`: what it refuses, how it counts, and that it always cleans up."""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from local.aws import until
from ops import verify
from ops.account import Account
from ops.errors import OpsError
from ops.verify import cost
from ops.verify.outcomes import Check, Report, read_outcomes
from ops.verify.traces import Ledger
from tests.support import checks

# -- Production -----------------------------------------------------------------------------------


def test_prod_is_refused() -> None:
    with pytest.raises(OpsError, match="--yes"):
        verify.refuse_production("prod", yes=False)


@pytest.mark.parametrize(("stage", "yes"), [("prod", True), ("dev", False), ("local", False)])
def test_other_stages_and_a_yes_are_accepted(stage: str, yes: bool) -> None:
    verify.refuse_production(stage, yes)


def test_prod_is_refused_before_anything_is_asked_of_aws() -> None:
    def no_client(service: str) -> Any:
        raise AssertionError(f"{service} was asked")

    with pytest.raises(OpsError, match="--yes"):
        verify.run(Account("stepworks-prod", no_client), options("prod"), console())


# -- Processes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "names", "expected"),
    [("local", [], 2), ("local", ["a", "b"], 2), ("local", ["a"], 0), ("dev", ["a"], 6)],
)
def test_a_single_local_check_needs_no_more_processes(
    stage: str, names: list[str], expected: int
) -> None:
    assert verify.processes(stage, names) == expected


@pytest.mark.parametrize(
    ("stage", "wanted", "expected"),
    [
        (None, [], []),
        ("local", [], ["without.py"]),
        ("local", ["one"], ["without.py", "another.py"]),
        ("local", ["none"], ["without.py", "one.py", "another.py"]),
    ],
)
def test_a_module_without_a_wanted_check_is_not_imported(
    tmp_path: Path, stage: str | None, wanted: list[str], expected: list[str]
) -> None:
    sources = {
        "without.py": "def test_one(): ...",
        "one.py": '@pytest.mark.check("one")',
        "another.py": '@pytest.mark.check(\n    "another"\n)',
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    config: Any = SimpleNamespace(getoption={"stage": stage, "check": wanted}.__getitem__)

    left_out = [name for name in sources if checks.has_no_check(tmp_path / name, config)]
    assert left_out == expected
    assert not checks.has_no_check(tmp_path, config)


# -- Outcomes -------------------------------------------------------------------------------------


def outcomes(path: Path, *lines: Any, wanted: tuple[str, ...] = ()) -> dict[str, str]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts))
    return {check.name: check.outcome for check in read_outcomes(path, list(wanted))}


def ended(check: str, outcome: str) -> dict[str, Any]:
    return {"check": check, "outcome": outcome, "message": "", "seconds": 1.0}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["passed"], "passed"),
        (["passed", "failed", "passed"], "failed"),
        (["failed", "only on AWS"], "failed"),
        (["only on AWS", "passed"], "only on AWS"),
        (["passed", "not run"], "not run"),
        ([], "not run"),
    ],
    ids=str,
)
def test_the_worst_of_a_checks_tests_counts(
    tmp_path: Path, found: list[str], expected: str
) -> None:
    lines = [{"collected": ["one"]}, *(ended("one", outcome) for outcome in found)]

    assert outcomes(tmp_path / "outcomes", *lines) == {"one": expected}


def test_a_check_that_there_is_not_was_not_run(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "outcomes", {"collected": []}, wanted=("none",))

    assert found == {"none": "not run"}


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "outcomes", {"collected": ["one"]}, '{"check": "one", "outc')

    assert found == {"one": "not run"}


def test_other_checks_of_a_chosen_test_are_left_out(tmp_path: Path) -> None:
    lines = ({"collected": ["one"]}, ended("one", "passed"), ended("other", "failed"))

    assert outcomes(tmp_path / "outcomes", *lines, wanted=("one",)) == {"one": "passed"}


def report(*found: str, **changes: Any) -> Report:
    checks = [Check(f"check-{number}", outcome) for number, outcome in enumerate(found)]
    given: dict[str, Any] = {"stage": "dev", "begun": datetime.now(UTC), "seconds": 60}
    return Report(**(given | {"checks": checks, "left": []} | changes))


@pytest.mark.parametrize(
    ("given", "good"),
    [
        (report("passed"), True),
        (report("passed", "only on AWS"), True),
        (report("passed", "failed"), False),
        (report("passed", "not run"), False),
        (report("passed", left=["a queue: access denied"]), False),
        (report("passed", ended=verify.OUT_OF_TIME), False),
    ],
    ids=["passed", "only on AWS", "failed", "not run", "something left", "stopped"],
)
def test_a_run_is_good_if_all_ran_nothing_failed_and_nothing_is_left(
    given: Report, good: bool
) -> None:
    assert given.is_good is good


def test_what_only_aws_can_tell_does_not_count_as_passed() -> None:
    summary = report("passed", "only on AWS", "only on AWS").summary

    assert summary.startswith("3 checks: 1 passed, 2 only on AWS, 0 not run, 0 failed;")


def test_the_page_has_a_row_for_each_check_and_what_is_left() -> None:
    page = report("passed", "failed", left=["a | queue"]).page("python -m ops verify")

    assert "| `check-1` | failed |" in page
    assert "Not removed: a \\| queue" in page


# -- What was made, and what it cost --------------------------------------------------------------


def test_the_ledger_knows_what_was_made() -> None:
    body = json.dumps({"baseUrl": "https://a.example/", "resourcePaths": ["x", "y"]})
    ledger = Ledger.read(
        [
            line("name", {"name": "verify-1"}),
            line(
                "stepfunctions:StartExecution", {"input": '{"id": "event"}'}, executionArn="arn:1"
            ),
            line("POST /downloads", {"body": body}, text='{"executionArn": "arn:2"}'),
            line("POST /messages", {"body": "{}"}, text='{"messageId": "message"}'),
            line("POST /documents", {"body": None}, text="no JSON"),
            line("events:PutEvents", {}, Entries=[{"EventId": "put"}, {"ErrorCode": "X"}]),
            line("sqs:SendMessage", {"MessageBody": '{"id": "letter"}'}),
            line("iam:CreateRole", {"RoleName": "verify-2"}),
            line("iam:CreateUser", {"UserName": "verify-3"}),
        ]
    )

    assert ledger.names == {"verify-1"}
    assert ledger.executions == {"arn:1", "arn:2"}
    assert ledger.ids == {"event", "message", "put", "letter"}
    assert ledger.downloads == {"https://a.example/x", "https://a.example/y"}
    assert (ledger.roles, ledger.users) == ({"verify-2"}, {"verify-3"})
    assert (ledger.counts["API request"], ledger.counts["event"]) == (3, 2)


def line(what: str, parameters: dict[str, Any], **response: Any) -> dict[str, Any]:
    return {"what": what, "parameters": parameters, "response": response}


def test_the_cost_is_the_sum_of_what_was_used() -> None:
    assert cost.estimate({"mail": 1_000, "event": 100_000}) == pytest.approx(0.20)


def test_what_has_no_price_is_an_error() -> None:
    with pytest.raises(KeyError, match="snow"):
        cost.estimate({"snow": 1})


# -- Cleaning up, whatever happens ----------------------------------------------------------------

COLLECTED = f"print({json.dumps(json.dumps({'collected': ['one']}))}, file=out, flush=True)"
PASSED = f"print({json.dumps(json.dumps(ended('one', 'passed')))}, file=out, flush=True)"
HANGS = "import time; time.sleep(60)"
CRASHES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


class FakeTraces:
    removed = 0
    left: tuple[str, ...] = ()

    def __init__(self, *_: Any) -> None:
        self.counts: dict[str, float] = {}

    def remove(self) -> list[str]:
        type(self).removed += 1
        return list(self.left)


@pytest.fixture
def run_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Run the command with a script in the place of pytest."""

    class Traces(FakeTraces):
        pass

    def run(*script: str, left: tuple[str, ...] = ()) -> bool:
        Traces.left = left

        def command(stage: str, session: Any, folder: Path, names: list[str]) -> list[str]:
            begin = f"out = open({str(folder / 'outcomes')!r}, 'w')"
            return [sys.executable, "-c", "\n".join([begin, *script])]

        monkeypatch.setattr(verify, "pytest_command", command)
        monkeypatch.setattr(verify, "Traces", Traces)
        monkeypatch.setattr(verify, "refuse_missing_stack", lambda _: None)
        monkeypatch.setattr(verify, "GRACE_SECONDS", 5)
        try:
            return verify.run(Account("stepworks-dev", lambda _: None), options("dev"), console())
        finally:
            assert Traces.removed == 1, "what the checks made was not removed"

    return run


def options(stage: str) -> argparse.Namespace:
    return argparse.Namespace(stage=stage, yes=False, check=[], list=False, report=None)


def console() -> Console:
    return Console(file=io.StringIO())


def test_all_passed(run_checks: Callable[..., bool]) -> None:
    assert run_checks(COLLECTED, PASSED) is True


def test_a_crash_is_cleaned_up_and_is_no_success(run_checks: Callable[..., bool]) -> None:
    assert run_checks(COLLECTED, CRASHES) is False


def test_what_is_left_is_no_success(run_checks: Callable[..., bool]) -> None:
    assert run_checks(COLLECTED, PASSED, left=("a queue: access denied",)) is False


def test_checks_that_take_too_long_are_stopped_and_cleaned_up(
    run_checks: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = verify.start

    def start_and_wait(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
        """The time limit begins when a check has passed."""
        process = start(command, folder)
        until("the outcome", lambda: len(list(verify.lines_of(folder / "outcomes"))) == 2)
        return process

    monkeypatch.setattr(verify, "start", start_and_wait)
    monkeypatch.setattr(verify, "MINUTES", 0.1 / 60)

    assert run_checks(COLLECTED, PASSED, HANGS) is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_ends_the_checks_and_cleans_up(
    run_checks: Callable[..., bool], number: signal.Signals
) -> None:
    interrupts = f"import os; os.kill({os.getpid()}, {number:d})"

    with pytest.raises(KeyboardInterrupt):
        run_checks(COLLECTED, PASSED, interrupts, HANGS)


def test_after_it_ctrl_c_has_its_usual_effect(run_checks: Callable[..., bool]) -> None:
    before = signal.getsignal(signal.SIGINT)

    run_checks(COLLECTED, PASSED)

    assert signal.getsignal(signal.SIGINT) is before
