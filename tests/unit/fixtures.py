"""Fixtures of everything that calls handlers in this process."""

from collections.abc import Iterator

import pytest

from handlers.shared.aws_http.s3 import shared_bucket
from handlers.shared.clients import client
from tests.unit.fakes import FakeContext


@pytest.fixture(autouse=True)
def fresh_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No AWS account, and no client of the test before."""
    fresh(monkeypatch)
    yield
    _forget_clients()


def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    _forget_clients()


def _forget_clients() -> None:
    client.cache_clear()
    shared_bucket.cache_clear()


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()
