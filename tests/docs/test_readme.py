"""README.md is short and lists what there is."""

from tests.docs.pages import code, page, section, table
from tests.support.asl import ROOT
from tests.support.documented import project_files

PAGE = "README.md"
MAX_LINES = 150


def test_it_is_short() -> None:
    assert len(page(PAGE).splitlines()) <= MAX_LINES


def test_every_top_level_folder_is_listed() -> None:
    listed = [code(cells[0]) for cells in table(PAGE, "folder or file")]
    folders = {file.split("/")[0] for file in project_files() if "/" in file}

    assert {entry.split("/")[0] for entry in listed if "/" in entry} == {
        folder for folder in folders if not folder.startswith(".")
    }


def test_every_workflow_has_a_page_that_is_listed() -> None:
    pages = {f"docs/workflows/{path.name}" for path in (ROOT / "docs/workflows").glob("*.md")}

    assert pages
    assert all(f"({name})" in section(PAGE, "The workflows") for name in pages)


def test_every_page_of_the_docs_is_listed() -> None:
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}

    assert all(f"({name})" in section(PAGE, "Where to read on") for name in pages)
