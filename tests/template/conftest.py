"""The packaged service that the template tests look at: as it would go to an account."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.packaged import Package


@pytest.fixture(scope="session")
def dev(package: Callable[..., Package]) -> Package:
    return package("dev")


@pytest.fixture(scope="session")
def prod(package: Callable[..., Package]) -> Package:
    return package("prod")


@pytest.fixture(scope="session")
def template(dev: Package) -> dict[str, Any]:
    """The CloudFormation template of stage dev."""
    return dev.template
