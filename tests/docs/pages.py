"""The documentation as data: its tables."""

import re

from tests.support.asl import ROOT

Row = list[str]


def page(name: str) -> str:
    return (ROOT / name).read_text()


def table(name: str, heading: str) -> list[Row]:
    """The rows, without the head, of all tables of a page whose first head cell is `heading`."""
    rows: list[Row] = []
    inside = False
    for line in page(name).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[0] == heading:
            inside = True
        elif inside and not re.fullmatch(r"[-: ]+", cells[0]):
            rows.append(cells)
    assert rows, f"{name} has no table of {heading}"
    return rows


def code(cell: str) -> str:
    """The text of a cell that is one piece of code."""
    match = re.fullmatch(r"`([^`]+)`", cell)
    assert match, f"{cell!r} is not one piece of code"
    return match[1]
