"""The tools that make the package."""

import json

from tests.support.packaged import ROOT


def test_the_framework_is_the_open_fork_alone() -> None:
    """npm's `serverless` asks for an account and downloads itself (docs/decisions/0001)."""
    assert (ROOT / "node_modules" / "osls").is_dir()
    assert not (ROOT / "node_modules" / "serverless").exists()


def test_every_tool_is_pinned() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    wanted = package["devDependencies"] | package["dependencies"]

    assert all(version[0].isdigit() for version in wanted.values())


def test_every_python_package_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert "==" in line, f"{name}: {line}"
