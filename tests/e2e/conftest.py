"""How many items the tests send that are marked `load`."""

import pytest

from tests.e2e.size import FULL, SMALL, Size


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-load",
        action="store_true",
        help="send the full numbers of items, and write the figures to docs/reliability.md",
    )


@pytest.fixture(scope="session")
def full_load(pytestconfig: pytest.Config) -> bool:
    # The option exists only if a path in this folder is named on the command line.
    return bool(pytestconfig.getoption("--full-load", False))


@pytest.fixture(scope="session")
def size(full_load: bool) -> Size:
    return FULL if full_load else SMALL
