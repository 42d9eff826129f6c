"""Unit tests see no network."""

import socket
from typing import Any, NoReturn

import pytest

from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*address: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"a unit test wants to connect to {address}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
