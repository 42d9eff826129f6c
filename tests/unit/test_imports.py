"""What imports what: a workflow imports `handlers/shared` and no other package of ours."""

import ast
import re
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

import pytest

from tests.support.asl import ROOT

HANDLERS = ROOT / "handlers"
# Modules, and packages as a whole.
SHARED = sorted(
    path.stem
    for path in (HANDLERS / "shared").iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
)
WORKFLOWS = sorted(
    folder.name
    for folder in HANDLERS.iterdir()
    if (folder / "__init__.py").exists() and folder.name != "shared"
)
BUSINESS_WORDS = re.compile(r"\b(cookie|sensor|signer|image|bob|alice)", re.IGNORECASE)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, and every name it imports from one, dotted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_by(folder: Path) -> set[str]:
    return {name for path in folder.rglob("*.py") for name in imported(path)}


def packages(names: Set[str]) -> set[str]:
    """What of this project the names are in: `handlers.sensor`, `local`, …"""
    return {".".join(name.split(".")[: 2 if name.startswith("handlers.") else 1]) for name in names}


@cache
def shared_modules(path: Path) -> set[str]:
    return {
        name.split(".")[2] for name in imported(path) if name.startswith("handlers.shared.")
    } & set(SHARED)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_imports_no_other(workflow: str) -> None:
    own = {"handlers.shared", f"handlers.{workflow}"}
    found = packages(imported_by(HANDLERS / workflow))

    assert {name for name in found if name.startswith("handlers.")} <= own
    assert not found & {"bench", "console", "local", "ops", "tests"}


def test_the_shared_package_imports_no_workflow() -> None:
    found = packages(imported_by(HANDLERS / "shared"))

    assert {name for name in found if name.startswith("handlers.")} == {"handlers.shared"}
    assert not found & {"bench", "console", "local", "ops", "tests"}


@pytest.mark.parametrize("module", SHARED)
def test_a_shared_module_knows_no_business_word(module: str) -> None:
    for path in files_of(module):
        assert not BUSINESS_WORDS.findall(path.read_text())


@pytest.mark.parametrize("module", SHARED)
def test_two_workflows_use_every_shared_module(module: str) -> None:
    """Directly, or through the shared modules that import it."""
    users = {
        workflow
        for workflow in WORKFLOWS
        for path in (HANDLERS / workflow).rglob("*.py")
        if module in with_what_they_import(shared_modules(path))
    }

    assert len(users) >= 2, f"Move handlers/shared/{module} to handlers/{''.join(users)}/."


def test_only_the_account_lookup_of_ops_imports_the_local_aws() -> None:
    importers = [
        path.name
        for path in (ROOT / "ops").glob("*.py")
        if "local" in packages(set(imported(path)))
    ]

    assert importers == ["account.py"]
    assert "ops" not in packages(imported_by(ROOT / "local"))


def test_the_http_client_imports_nothing_else_of_its_workflow() -> None:
    own = "handlers.images.http_client"
    of_images = {
        name
        for name in imported_by(HANDLERS / "images" / "http_client")
        if name.startswith("handlers.images.")
    }

    assert {name for name in of_images if not name.startswith(own)} == set()


def files_of(module: str) -> list[Path]:
    """The files of a shared module or package."""
    shared = HANDLERS / "shared"
    return [*(shared / module).rglob("*.py")] or [shared / f"{module}.py"]


def with_what_they_import(modules: set[str]) -> set[str]:
    found: set[str] = set()
    while modules:
        found |= modules
        modules = {
            name for module in modules for path in files_of(module) for name in shared_modules(path)
        } - found
    return found
