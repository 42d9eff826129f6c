"""docs/local-aws.md lists the gaps that are filled, all of them and no other."""

import re
from importlib.metadata import version

from tests.docs.pages import code, page, table
from tests.support.asl import ROOT

PAGE = "docs/local-aws.md"


def test_every_gap_is_listed_once() -> None:
    modules = [path.stem for path in (ROOT / "local" / "gaps").glob("[!_]*.py")]

    assert sorted(code(cells[0]) for cells in table(PAGE, "module")) == sorted(modules)


def test_it_names_the_installed_version() -> None:
    named = re.findall(r"\b(?<!\.)\d+\.\d+\.\d+(?!\.?\d)", page(PAGE))

    assert set(named) == {version("ministack")}
