"""How much of a function's time is for work."""

import pytest

from handlers.sensor.deadline import Deadline
from handlers.sensor.errors import IngestionTimeoutError
from tests.unit.fakes import FakeContext


@pytest.mark.parametrize(
    ("total_ms", "reserve_ms"),
    [pytest.param(900_000, 10_000, id="ten-seconds"), pytest.param(6_000, 600, id="a-tenth")],
)
def test_a_reserve_is_kept(total_ms: int, reserve_ms: int) -> None:
    context = FakeContext(remaining_ms=total_ms)
    deadline = Deadline(context)

    context.remaining_ms = reserve_ms + 1
    deadline.check()
    context.remaining_ms = reserve_ms
    with pytest.raises(IngestionTimeoutError, match="not enough to store the whole file"):
        deadline.check()


def test_a_pause_must_fit() -> None:
    deadline = Deadline(FakeContext(remaining_ms=100_000))
    deadline.check(89)
    with pytest.raises(IngestionTimeoutError):
        deadline.check(90)
