"""docs/add-a-workflow.md works: its files, applied to a copy of the project, pass the rules.

The packaged template of that copy is looked at in tests/template/test_add_a_workflow.py.
"""

from pathlib import Path

import pytest

from tests.support import sixth_workflow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sixth_workflow.copy(tmp_path_factory.mktemp("sixth"))


RULES = "tests/statemachines/test_rules.py tests/statemachines/test_error_names.py"
OWN_TESTS = "tests/statemachines/greetings tests/unit/greetings"
DOCUMENTS = "tests/docs tests/unit/local --ignore tests/docs/test_add_a_workflow.py"


@pytest.mark.parametrize(
    "command",
    [f"pytest -n 0 -q {RULES} {OWN_TESTS} {DOCUMENTS}", "ruff check .", "ruff format --check ."],
    ids=["pytest", "ruff-check", "ruff-format"],
)
def test_the_copy_passes(copy: Path, command: str) -> None:
    finished = sixth_workflow.run(copy, command)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_a_rule_fails_for_a_broken_copy(copy: Path) -> None:
    """So the test above can fail."""
    machine = copy / "statemachines/greetings.asl.yml"
    whole = machine.read_text()
    machine.write_text(whole.replace("Next: Keep Request", "Next: Person Not Greeted"))
    try:
        finished = sixth_workflow.run(
            copy, "pytest -n 0 -q tests/statemachines/test_rules.py -k greetings"
        )
    finally:
        machine.write_text(whole)

    assert "test_failure_is_recorded_or_announced_before_the_machine_fails" in finished.stdout
    assert finished.returncode == 1
