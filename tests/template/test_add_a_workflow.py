"""The workflow that docs/add-a-workflow.md adds passes the rules of the packaged template."""

from pathlib import Path

from tests.support import sixth_workflow
from tests.support.packaged import Package

RULES = ("test_functions.py", "test_permissions.py", "test_rules_and_machines.py")

# Packages the service once more, and looks at no workflow.
ANOTHER_PYTHON = (
    "tests/template/test_functions.py::test_byte_code_of_no_runtime_is_left_out_with_a_warning"
)


def test_the_copy_passes(dev: Package, tmp_path: Path) -> None:
    """`dev` comes first: packaging it fills the cache of requirements that the copy uses."""
    folder = sixth_workflow.with_framework(sixth_workflow.copy(tmp_path))

    rules = " ".join(f"tests/template/{name}" for name in RULES)
    finished = sixth_workflow.run(folder, f"pytest -n 0 -q {rules} --deselect {ANOTHER_PYTHON}")

    assert finished.returncode == 0, finished.stdout + finished.stderr
