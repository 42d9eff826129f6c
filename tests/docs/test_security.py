"""docs/security.md names tests that exist."""

import re

import pytest

from tests.docs.pages import page, table
from tests.support.asl import ROOT

PAGE = "docs/security.md"
TESTS = sorted(set(re.findall(r"`(\w+\.py)::(\w+)`", page(PAGE))))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_a_named_test_exists(file: str, name: str) -> None:
    texts = [path.read_text() for path in (ROOT / "tests").rglob(file)]

    assert any(re.search(rf"^(async )?def {name}\(", text, re.M) for text in texts), (
        f"{PAGE} names {file}::{name}, but no {file} in tests/ has a test of that name."
    )


def test_every_threat_names_a_test() -> None:
    for threat in table(PAGE, "who"):
        assert re.search(r"`\w+\.py::\w+`", threat[3]), threat[:2]
