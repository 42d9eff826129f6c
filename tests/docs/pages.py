"""The documentation as data: its pages, sections and tables."""

import re

from tests.support.asl import ROOT

Row = list[str]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
_BLOCK = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)


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


def without_blocks(text: str) -> str:
    return _BLOCK.sub("", text)


def section(name: str, heading: str) -> str:
    """The text under a heading, up to the next one of the same or a higher level."""
    (level,) = re.findall(rf"^(#+) {re.escape(heading)}$", page(name), re.M)
    after = re.split(rf"^{level} {re.escape(heading)}$", page(name), flags=re.M)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", after, flags=re.M)[0]
