"""Checks: the end-to-end tests that `make verify` also runs against a deployed stage.

A test is a check if it is marked `check("its name")`. With `only_on_aws="reason"` the check is one
that the local AWS cannot tell, because it only imitates what is in question. Against the local AWS
such a check is a rehearsal: a failure counts, a success is reported as "only on AWS".
"""

import ast
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest

from local.aws import Aws, Deployment, Record, pace
from local.settings import REGION, ROOT, STAGE, Settings

ONLY_ON_AWS = "only on AWS: "
MAX_MESSAGE = 400  # characters of an assertion in a report
# Checks that wait for minutes begin first.
SLOW = ("sensor-happy", "sensor-large-file", "take-back", "cookies-failing", "sensor-dead-letter")


def only_on_aws(deployment: Deployment, reason: str) -> None:
    """Go no further on the local AWS, which cannot do what follows."""
    if deployment.is_local:
        pytest.skip(f"{ONLY_ON_AWS}{reason}")


def not_run(reason: str) -> NoReturn:
    """End a check that cannot be run in this account. It counts as not run."""
    pytest.skip(reason)


# -- Which checks there are ------------------------------------------------------------------------


@dataclass
class Declared:
    """A check as the tests declare it."""

    name: str
    only_on_aws: list[bool] = field(default_factory=list)  # of each of its tests


def declared() -> dict[str, Declared]:
    """Every check, read from the tests' code."""
    found: dict[str, Declared] = {}
    for path in sorted((ROOT / "tests" / "e2e").rglob("test_*.py")):
        code = path.read_text()
        # To parse a module takes milliseconds, in each worker.
        for node in ast.walk(ast.parse(code)) if "pytest.mark.check" in code else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.check":
                (name,) = (ast.literal_eval(one) for one in node.args)
                check = found.setdefault(name, Declared(name))
                check.only_on_aws.append(bool(node.keywords))
    return found


# -- The deployment --------------------------------------------------------------------------------


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("checks", "checks of a deployed stage (python -m ops verify)")
    group.addoption("--stage", help="run the checks against this stage")
    group.addoption("--check", action="append", default=[], help="only this check; may be repeated")
    group.addoption("--prefix", default="verify-by-hand", help="of the names of what is made")
    group.addoption("--ledger", help="file for a line about each thing that is made")
    group.addoption("--outcomes", help="file for a line about each outcome")


def deployment(config: pytest.Config) -> Deployment:
    """The deployed stage that the command line names."""
    stage, prefix = config.getoption("stage"), config.getoption("prefix")
    record = recorder(config.getoption("ledger"))
    if stage == STAGE:
        return Aws(Settings.from_environment(), prefix=prefix, record=record)
    pace.factor, pace.pause = 5, 1
    session = boto3.Session()
    region = session.region_name or REGION
    return Deployment(stage, session, region, prefix=prefix, record=record)


# Calls that make nothing, and one whose response is a secret.
NOT_RECORDED = (
    *("Get", "List", "Describe", "Head", "Query", "Scan", "Filter", "Receive"),
    "CreateAccessKey",
)


def recorder(ledger: str | None) -> Record | None:
    """Append what is made to a file: one line each, so that many processes can write."""
    if ledger is None:
        return None

    def record(what: str, parameters: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        if what.partition(":")[2].startswith(NOT_RECORDED):
            return
        line = {"what": what, "parameters": parameters, "response": response}
        text = json.dumps(line, default=_described) + "\n"
        handle = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)

    return record


def _described(value: Any) -> str:
    """Content is left out: the ledger is about what exists."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__


# -- Which tests run, and what they report ---------------------------------------------------------


def has_no_check(path: Path, config: pytest.Config) -> bool:
    """With --stage, whether none of a module's tests will run: then it need not be imported."""
    if config.getoption("stage") is None or path.suffix != ".py":
        return False
    source, wanted = path.read_text(), config.getoption("check")
    if wanted:
        return not any(f'"{name}"' in source for name in wanted)
    return "pytest.mark.check(" not in source


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --stage, keep only the checks. Tell every report which checks its test is."""
    for item in items:
        if marks := list(item.iter_markers("check")):
            reasons = {mark.args[0]: mark.kwargs.get("only_on_aws") for mark in marks}
            item.user_properties.append(("checks", reasons))
    if config.getoption("stage") is None:
        return
    wanted = set(config.getoption("check"))
    chosen = [item for item in items if names(item) and (not wanted or wanted & names(item))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = sorted(chosen, key=lambda item: not names(item) & set(SLOW))
    # Not by the environment: this may be a process that a test in a worker has started.
    if getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0":
        found = sorted({name for item in items for name in names(item)})
        _write(config, {"collected": [name for name in found if not wanted or name in wanted]})


def names(item: pytest.Item) -> set[str]:
    return {mark.args[0] for mark in item.iter_markers("check")}


class Outcomes:
    """Writes the outcome of each test's checks, as it comes from whichever process ran it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of a call; also of a set-up that was skipped, or a set-up or clean-up that failed."""
        properties: dict[str, Any] = dict(report.user_properties)
        if "checks" not in properties or (report.when != "call" and report.passed):
            return
        is_local = self._config.getoption("stage") == STAGE
        for name, reason in properties["checks"].items():
            outcome, message = outcome_of(report)
            if is_local and reason and outcome == "passed":
                outcome, message = "only on AWS", reason
            line = {"check": name, "outcome": outcome, "message": message, "test": report.nodeid}
            _write(self._config, line | {"seconds": round(report.duration, 1)})


def outcome_of(report: pytest.TestReport) -> tuple[str, str]:
    if report.passed:
        return "passed", ""
    message = _message(report)
    if not report.skipped:
        return "failed", message
    if message.startswith(ONLY_ON_AWS):
        return "only on AWS", message.removeprefix(ONLY_ON_AWS)
    return "not run", message


def _message(report: pytest.TestReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple | list):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr or "")
    lines = text.strip().splitlines() or [""]
    return lines[0][:MAX_MESSAGE]


def _write(config: pytest.Config, line: Mapping[str, Any]) -> None:
    if path := config.getoption("outcomes"):
        with Path(path).open("a") as file:
            file.write(json.dumps(line) + "\n")
