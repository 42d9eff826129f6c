"""A tenth of the cases of `make faults`, the same ones each time."""

import subprocess
import sys

import pytest

from tests.support.asl import ROOT

pytestmark = pytest.mark.slow
OPTIONS = ("--tenth", "--pairs", "40", "--seed", "12", "--jobs", "1", "--quiet", "--unstored")


@pytest.mark.timeout(900)
def test_a_tenth_of_the_cases_keeps_every_promise() -> None:
    """In a process of its own: which cases there are depends on nothing that another test did."""
    command = [sys.executable, "-m", "faults", *OPTIONS]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert finished.returncode == 0, finished.stdout + finished.stderr
