"""What `make test-fast`, `make watch` and `pytest` alone run, and what they say."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest, watch

ROOT = watch.ROOT
MAKEFILE = (ROOT / "Makefile").read_text()
SLOW = {  # left out by `make test-fast`, each with its reason
    "tests/docs/test_add_a_workflow.py",  # runs other suites in a copy of the project
    "tests/integration/cookies/test_choreography.py",  # every order of every event, on moto
    "tests/integration/faults/test_matrix.py",  # hundreds of runs
    "tests/integration/images/test_bench.py",  # each way in a process of its own
    "tests/integration/local/test_lambda_workers.py",  # many processes
    "tests/integration/local/test_task_timeout.py",  # waits for real time limits
    "tests/integration/observability/test_recording_order.py",  # every order, on moto
    "tests/integration/sensor/test_bench.py",  # each way in a process of its own
    "tests/integration/signature/test_faults.py",  # every fault at every call
    "tests/integration/test_hostile_input.py",  # random input to every route
    "tests/unit/sensor/test_distinct_keys.py",  # the memory that large files take
    "tests/unit/sensor/test_ingest.py",  # likewise
    "tests/unit/test_cold_starts.py",  # imports each function in a process of its own
}


def suites() -> set[str]:
    return {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}


def test_every_suite_is_fast_or_needs_the_framework() -> None:
    variable = re.search(r"^FAST_SUITES := (.*)$", MAKEFILE, re.MULTILINE)
    assert variable
    fast = {name.removeprefix("tests/") for name in variable[1].split()}

    assert fast | set(conftest.WITH_FRAMEWORK) == suites() - {"support"}
    assert not fast & set(conftest.WITH_FRAMEWORK)


def test_only_these_modules_are_left_out_of_test_fast() -> None:
    marked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^(pytestmark = |@)pytest\.mark\.slow", path.read_text(), re.MULTILINE)
    }

    assert marked == SLOW


def test_a_worker_gets_a_whole_module() -> None:
    scopes = object.__new__(conftest.Modules)._split_scope

    assert scopes("tests/unit/test_a.py::TestB::test_c[x/y::z]") == "tests/unit/test_a.py"
    # The load tests share a local AWS
    assert scopes("tests/e2e/load/test_load.py::test_a") == "tests/e2e/load"
    assert scopes("tests/e2e/load/test_storm.py::test_a") == "tests/e2e/load"


def test_the_option_without_effect_is_not_used() -> None:
    """pytest-xdist 3.8 ignores `xdist_group` with pytest 9.2."""
    mark = "mark.xdist_" + "group"

    assert not [path for path in (ROOT / "tests").rglob("*.py") if mark in path.read_text()]


def test_make_test_leaves_nothing_out() -> None:
    recipe = re.search(r"^test: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)

    assert recipe
    first, then = (shlex.split(line.partition("$(PYTEST) ")[2]) for line in recipe[1].splitlines())
    assert first == ["tests", "-m", "not alone", "-n", "$(WORKERS)"]
    suites = [word for word in then if word.startswith("tests/")]
    assert then[len(suites) : len(suites) + 2] == ["-m", "alone"]
    alone = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^(pytestmark = .*|@)pytest\.mark\.alone", path.read_text(), re.MULTILINE)
    }
    assert len(alone) >= 3
    assert all(path.startswith(tuple(f"{suite}/" for suite in suites)) for path in alone)


@pytest.mark.parametrize("workflow", ["cookies", "images", "messages", "sensor", "signature"])
def test_a_workflow_can_be_watched(workflow: str) -> None:
    folders = [word for word in watch.command(workflow) if word.startswith("tests/")]

    assert workflow in watch.workflows()
    assert folders == [f"tests/{suite}/{workflow}" for suite in watch.SUITES]


def test_a_change_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ROOT", tmp_path)
    handler = tmp_path / "handlers" / "sensor" / "move_file.py"
    handler.parent.mkdir(parents=True)
    empty = watch.state()

    handler.touch()
    written = watch.state()
    os.utime(handler, ns=(1, 1))

    assert len({str(empty), str(written), str(watch.state())}) == 3


def test_watching_without_a_workflow_lists_them() -> None:
    command = [sys.executable, "-m", "tests.watch"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert "make watch WORKFLOW=sensor" in result.stdout
    assert "signature" in result.stdout


@pytest.mark.parametrize(
    ("argument", "needs"),
    [
        ("tests", True),
        ("tests/e2e/sensor", True),
        ("tests/template/test_storage.py::test_x", True),
        ("tests/unit", False),
        ("tests/integration/faults/test_matrix.py", False),
    ],
)
def test_suites_that_need_the_framework_check_for_it(argument: str, needs: bool) -> None:
    assert conftest._needs_framework(str(ROOT / argument)) is needs


def test_pytest_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest prints the message of a UsageError and ends with exit code 4."""
    monkeypatch.setattr(conftest, "_framework_is_installed", lambda: False)
    config: Any = SimpleNamespace(args=[str(ROOT / "tests")], getoption=lambda _: None)

    with pytest.raises(pytest.UsageError, match="make setup-tests") as refused:
        conftest.pytest_configure(config)

    assert "make test-fast" in str(refused.value)
