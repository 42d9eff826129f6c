"""The table of figures, and the part of a document that it replaces."""

from pathlib import Path

import pytest

from tests.e2e.load.figures import Figures, percentile
from tests.e2e.load.usage import Usage
from tests.support import generated

DOCUMENT = "# Title\n\n<!-- load: begin -->\n\nold\n\n<!-- load: end -->\n\nText.\n"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(DOCUMENT)
    return path


def test_a_row_has_the_figures_of_a_load() -> None:
    figures = Figures()
    with figures.of("10 files") as figure:
        figure.work(10, [1.0, 2.0, 6.0])
    figure.seconds, figure.load_average = 5.0, 0.5
    figure.used(Usage(workers=4, before_mb=100, server_mb=130, after_mb=120))

    *_, row = figures.table().splitlines()

    assert row == (
        "| 10 files | 5 s | 2.0 | 2.0 s | 5.6 s | 6.0 s | 4 | 100 MB | 130 MB | 120 MB | 0.5 |"
    )


def test_a_load_that_has_not_passed_has_no_row() -> None:
    figures = Figures()
    with figures.of("10 files"):
        pass

    with pytest.raises(AssertionError):
        figures.table()


def test_a_percentile_is_between_the_values() -> None:
    assert percentile([float(number) for number in range(101)], 95) == pytest.approx(95)


def test_a_part_is_replaced_and_nothing_else(document: Path) -> None:
    generated.replace(document, "load", r"new \1")

    assert document.read_text() == DOCUMENT.replace("old", r"new \1")


def test_a_document_without_the_part_is_left_alone(document: Path) -> None:
    with pytest.raises(ValueError, match="has 0 parts"):
        generated.replace(document, "soak", "new")

    assert document.read_text() == DOCUMENT
