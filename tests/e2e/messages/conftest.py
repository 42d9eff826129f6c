import pytest

from local.aws import Aws
from tests.e2e.messages.messages import Messages


@pytest.fixture
def messages(aws: Aws) -> Messages:
    return Messages(aws)
