"""The packaged service that the template tests look at: as it would go to an account."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.packaged import ChangedPackage, Package


@pytest.fixture(scope="session")
def dev(package: Callable[..., Package]) -> Package:
    return package("dev")


@pytest.fixture(scope="session")
def prod(package: Callable[..., Package]) -> Package:
    return package("prod")


@pytest.fixture(scope="session")
def changed(package: Callable[..., Package]) -> ChangedPackage:
    """Stage dev with other values of parameters, given on the command line."""
    made = package(
        "dev",
        apiAccountRole="false",
        cookiesMaxConcurrency="5",
        cookiesTaskTimeoutSeconds="1200",
        cookiesToleratedFailureShare="0.1",
        cookiesBusName="another",
        cookiesReactsToStart="true",
    )
    return ChangedPackage(made)


@pytest.fixture(scope="session")
def template(dev: Package) -> dict[str, Any]:
    """The CloudFormation template of stage dev."""
    return dev.template
