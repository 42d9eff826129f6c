"""A copy of the project with the workflow that docs/add-a-workflow.md adds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local.locks import one_at_a_time
from tests.support import documented
from tests.support.documented import ROOT

PAGE = "docs/add-a-workflow.md"
SECONDS = 300


def copy(folder: Path) -> Path:
    """Copy the project's files, without what is installed or built, and follow the page."""
    for file in documented.project_files():
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, target)
    for edit in documented.edits(PAGE):
        edit.apply(folder)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def with_framework(folder: Path) -> Path:
    """Let a copy package its service with the project's own tools."""
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / ".stepworks").mkdir()
    cache = ".stepworks/packages"
    with one_at_a_time("serverless"):  # a packaging run may be filling or emptying the cache
        if (ROOT / cache).exists():
            shutil.copytree(ROOT / cache, folder / cache)
    return folder


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python tool in the copy, as part of no other test run."""
    test_variables = ("PYTEST", "STEPWORKS_TEST")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(test_variables)
    }
    return subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
