"""A document of a test's own."""

import uuid

import pytest

from local.aws import Aws
from local.signing import Signing


@pytest.fixture
def signing(aws: Aws) -> Signing:
    return Signing(aws)


@pytest.fixture
def document() -> str:
    """The id of a document that no other test uses."""
    return f"doc-{uuid.uuid4().hex[:12]}"
