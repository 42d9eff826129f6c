"""Every relative link and anchor in the documentation leads to something."""

import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import PAGES, page, without_blocks
from tests.support.asl import ROOT


def links(name: str) -> Iterator[str]:
    """The targets of a page's links and pictures, without those on other sites."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page(name))):
        if not re.match(r"\w+:", target):
            yield target


LINKS = [(name, target) for name in PAGES for target in links(name)]


def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page(name)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("name", "target"), LINKS)
def test_a_link_leads_to_something(name: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (ROOT / name).parent / path if path else ROOT / name

    assert found.exists(), f"{name} links to {target}, but {path} does not exist."
    if anchor:
        linked = str(found.resolve().relative_to(ROOT))
        assert anchor in anchors(linked), f"{name} links to {target}, but has no such heading."


def test_anchors_are_those_of_github() -> None:
    assert "the-api" in anchors("docs/operations.md")
    assert ("docs/workflows/images.md", "../operations.md#the-api") in LINKS
