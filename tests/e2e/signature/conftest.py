"""A document of a test's own."""

import pytest

from local.aws import Deployment
from local.signing import Signing
from tests.support.own_links import SigningWithOwnLinks


@pytest.fixture
def signing(aws: Deployment) -> Signing:
    return Signing(aws) if aws.is_local else SigningWithOwnLinks(aws)


@pytest.fixture
def document(aws: Deployment) -> str:
    """The id of a document that no other test uses."""
    return aws.name()
