"""A limit cuts its own connection, and no other."""

import socket
import time
from collections.abc import Iterator

import pytest

from handlers.images.http_client import time_limit
from handlers.images.http_client.time_limit import TimeLimit, Watchdog, current_limit


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def is_open(ours: socket.socket, theirs: socket.socket) -> bool:
    try:
        theirs.send(b"x")
    except OSError:
        return False
    return ours.recv(1) == b"x"


def test_a_read_ends_with_the_time(connection: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = connection
    started = time.monotonic()
    with Watchdog() as watchdog, watchdog.limit(started + 0.3) as limit:
        limit.watch(ours)
        assert ours.recv(1) == b""

    assert 0.3 <= time.monotonic() - started < 3


def test_a_connection_that_went_on_to_another_download_is_left_to_it(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    first, second = TimeLimit(time.monotonic()), TimeLimit(time.monotonic() + 60)
    first.watch(connection[0])
    second.watch(connection[0])

    first.cut()

    assert is_open(*connection)
    second.cut()
    assert not is_open(*connection)
    second.release()


def test_a_download_that_is_done_leaves_nothing_behind(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    before = len(time_limit._owners)
    with Watchdog() as watchdog, watchdog.limit(time.monotonic()) as limit:
        assert current_limit() is limit
        limit.watch(connection[0])
        limit.release()
        limit.cut()
        limit.watch(connection[0])

    assert current_limit() is None
    assert len(time_limit._owners) == before


def test_a_connection_that_is_closed_already_can_be_cut(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    limit = TimeLimit(time.monotonic())
    limit.watch(connection[0])
    connection[0].close()

    limit.cut()
    limit.release()
