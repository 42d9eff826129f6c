"""Fakes in the place of the clients that the messages handlers use."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from handlers.messages import get_message, record_message
from handlers.shared import events, task_tokens
from handlers.shared.observability import logger_for
from tests.unit.messages.fakes import FakeDynamoDb, FakeEventBridge, FakeStepFunctions


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> FakeDynamoDb:
    fake = FakeDynamoDb()
    monkeypatch.setenv("MESSAGES_TABLE", "messages")
    for module in (record_message, get_message):
        monkeypatch.setattr(module, "client", only("dynamodb", fake))
    return fake


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(task_tokens, "client", only("stepfunctions", fake))
    return fake


@pytest.fixture
def eventbridge(monkeypatch: pytest.MonkeyPatch) -> FakeEventBridge:
    fake = FakeEventBridge()
    monkeypatch.setenv("BUS_NAME", "commonbus")
    monkeypatch.setattr(events, "client", only("events", fake))
    return fake


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What the handlers log."""
    stream = StringIO()
    handler: Any = logger_for("messages").registered_handler
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


def only(service: str, fake: Any) -> Any:
    def client(requested: str, **_: Any) -> Any:
        assert requested == service
        return fake

    return client
