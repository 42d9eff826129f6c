"""A short time limit for the responses that never come, and for these alone.

With a short limit for all requests, a test fails on a busy machine: a good response comes too late.
"""

import itertools
import time
from collections.abc import Callable, Container

import pytest

from handlers.shared.aws_http import blocking
from handlers.shared.aws_http.connection import Connection, Response

_FACTOR = 0.005  # ten seconds become 50 ms


def shorten_time_limit(
    monkeypatch: pytest.MonkeyPatch, received: Callable[[], int], of: Container[int]
) -> None:
    """Shorten the time limit of the nth requests of a `blocking.ConnectionPool`, from 0.

    `received` returns how many requests the server has: the time begins when it has the request.
    """
    exchange = blocking._exchange
    numbers = itertools.count()

    def exchange_sooner(connection: Connection, read_seconds: float) -> Response:
        number = next(numbers)
        if number in of:
            if not connection.established:
                connection._establish()
            connection._write()
            deadline = time.monotonic() + 20
            while received() <= number:
                assert time.monotonic() < deadline, "the server has not received the request"
                time.sleep(0.001)
            read_seconds *= _FACTOR
        return exchange(connection, read_seconds)

    monkeypatch.setattr(blocking, "_exchange", exchange_sooner)
