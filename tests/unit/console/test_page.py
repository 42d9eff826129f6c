"""The page's files fit together, and none of them does what the Content-Security-Policy forbids."""

import re
from pathlib import Path

import pytest

from console.web import LIBRARIES, PAGE

MODULES = sorted(PAGE.glob("*.js"))
IMPORT = re.compile(r'(?:^(?:import|export)[^"]*?from|import\()\s*"([^"]+)"', re.MULTILINE)


def exists(imported: str) -> bool:
    """Whether the server has the file that a module imports."""
    library = imported.removeprefix("../lib/")
    return library in LIBRARIES if library != imported else (PAGE / imported).is_file()


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_what_a_module_imports_is_served(module: Path) -> None:
    assert [name for name in IMPORT.findall(module.read_text()) if not exists(name)] == []


def test_every_module_is_used() -> None:
    imported = {name for module in MODULES for name in IMPORT.findall(module.read_text())}
    unused = {module.name for module in MODULES} - {name.removeprefix("./") for name in imported}

    assert unused == {"main.js"}  # the one that index.html starts


def test_what_the_first_page_names_is_served() -> None:
    named = re.findall(r'(?:href|src)="((?:page|lib)/[^"]+)"', (PAGE / "index.html").read_text())

    assert "page/main.js" in named
    assert [
        name for name in named if not exists(name.replace("page/", "./").replace("lib/", "../lib/"))
    ] == []
    assert {path.name for path in PAGE.glob("*.css")} <= {Path(name).name for name in named}


@pytest.mark.parametrize(
    "path", [*MODULES, PAGE / "index.html"], ids=lambda path: getattr(path, "name", path)
)
def test_data_can_only_become_text(path: Path) -> None:
    text = path.read_text()

    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in text
    assert not re.search(r"""\bstyle=["']""", text)  # an attribute: style-src forbids it
    assert not re.search(r"\bon[a-z]+=[\"']", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
