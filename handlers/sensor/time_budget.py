"""The time budget of a function."""

from typing import Protocol

from handlers.sensor.errors import IngestionTimeoutError


class HasRemainingTime(Protocol):
    """The part of a Lambda context that `TimeBudget` needs."""

    def get_remaining_time_in_millis(self) -> int: ...


class TimeBudget:
    """A function's time budget: a tenth of its time, at most 10 s, is reserved for clean-up."""

    def __init__(self, context: HasRemainingTime) -> None:
        self._context = context
        self._reserve = min(10_000, context.get_remaining_time_in_millis() // 10)

    def check(self, pause: float = 0.0) -> None:
        """Raise IngestionTimeoutError if a pause of `pause` seconds would exceed the budget."""
        if self._context.get_remaining_time_in_millis() - pause * 1000 <= self._reserve:
            raise IngestionTimeoutError(
                "The function reached its time limit before the whole file was stored. Stored "
                "readings stay stored. Processing the file again does not change them."
            )
