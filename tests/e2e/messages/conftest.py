import pytest

from local.aws import Deployment
from tests.e2e.messages.messages import Messages


@pytest.fixture
def messages(aws: Deployment) -> Messages:
    return Messages(aws)
