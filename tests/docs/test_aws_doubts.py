"""docs/aws-doubts.md lists exactly the checks that only AWS can settle."""

import re

from tests.docs.pages import PAGES, code, page, table
from tests.support.checks import SLOW, declared

PAGE = "docs/aws-doubts.md"
CHECKS = declared()
DOUBTS = {name for name, check in CHECKS.items() if any(check.only_on_aws)}


def test_each_doubt_is_a_check_and_each_such_check_is_a_doubt() -> None:
    assert sorted(code(cells[0]) for cells in table(PAGE, "check")) == sorted(DOUBTS)


def test_each_doubt_says_what_is_in_doubt_what_would_be_wrong_and_where_it_comes_from() -> None:
    rows = table(PAGE, "check")

    assert [cells[0] for cells in rows if not all(cells[1:4]) or len(cells) != 4] == []


def test_a_check_is_one_that_only_aws_can_settle_in_all_its_tests_or_in_none() -> None:
    """Else a local run would count as passed what only a part of its tests can tell."""
    assert {name for name in DOUBTS if not all(CHECKS[name].only_on_aws)} == set()


def test_the_checks_that_begin_first_exist() -> None:
    assert set(SLOW) <= set(CHECKS)


ADMITS = re.compile(
    r"not (been )?(run|tried|seen|tested|documented) on AWS|is not documented|is inferred"
    r"|according to its documentation|AWS does not promise|best-effort|the local AWS allows it",
    re.IGNORECASE,
)
# Pages that admit a doubt that no check settles: why.
WITHOUT_A_CHECK = {
    "docs/decisions/0074-cold-starts.md": "the speed of a start, which is no promise",
}


def test_a_page_that_admits_a_doubt_is_named_by_one() -> None:
    admitting = {
        name
        for name in PAGES
        if name.startswith("docs/") and name != PAGE and ADMITS.search(page(name))
    }
    named = " ".join(cells[3] for cells in table(PAGE, "check"))
    missing = {name for name in admitting if f"({name.removeprefix('docs/')}" not in named}

    assert missing == set(WITHOUT_A_CHECK)


def test_every_check_of_the_report_exists() -> None:
    reported = {code(cells[0]) for cells in table("docs/verify.md", "check")}

    assert reported == set(CHECKS)
