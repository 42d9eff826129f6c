"""The time budget of a function."""

import pytest

from handlers.sensor.errors import IngestionTimeoutError
from handlers.sensor.time_budget import TimeBudget
from tests.unit.fakes import FakeContext


@pytest.mark.parametrize(
    ("total_ms", "reserve_ms"),
    [pytest.param(900_000, 10_000, id="ten-seconds"), pytest.param(6_000, 600, id="a-tenth")],
)
def test_time_is_reserved_for_clean_up(total_ms: int, reserve_ms: int) -> None:
    context = FakeContext(remaining_ms=total_ms)
    time_budget = TimeBudget(context)

    context.remaining_ms = reserve_ms + 1
    time_budget.check()
    context.remaining_ms = reserve_ms
    with pytest.raises(IngestionTimeoutError, match="before the whole file was stored"):
        time_budget.check()


def test_a_pause_must_fit_into_the_budget() -> None:
    time_budget = TimeBudget(FakeContext(remaining_ms=100_000))
    time_budget.check(89)
    with pytest.raises(IngestionTimeoutError):
        time_budget.check(90)
