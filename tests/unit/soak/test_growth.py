"""The judgement whether something grows, on samples that are known to grow or not."""

import random
from collections.abc import Callable
from math import exp

import pytest

from tests.e2e.soak.growth import Sample, growth, per_hour


def samples(amount: Callable[[float], float], minutes: int = 60) -> list[Sample]:
    return [Sample(seconds, amount(seconds)) for seconds in range(0, minutes * 60, 10)]


def noisy(amount: Callable[[float], float]) -> Callable[[float], float]:
    rng = random.Random(1)
    return lambda seconds: amount(seconds) + rng.uniform(-5, 5)


@pytest.mark.parametrize("minutes", [10, 60])
@pytest.mark.parametrize(
    ("amount", "verdict"),
    [
        (noisy(lambda _: 200), "level"),
        (noisy(lambda seconds: 300 - seconds / 60), "level"),
        (lambda seconds: 100 + min(seconds, 120), "level"),
        (noisy(lambda seconds: 100 + seconds / 10), "**grows**"),
        (lambda seconds: 100 + (seconds / 100) ** 2, "**grows**"),
    ],
    ids=["constant", "falling", "full after warm-up", "linear", "faster and faster"],
)
def test_verdicts(amount: Callable[[float], float], verdict: str, minutes: int) -> None:
    assert growth(samples(amount, minutes), tolerated=60).verdict == verdict


def test_what_slows_down_levels_off() -> None:
    found = growth(samples(lambda seconds: 1000 * (1 - exp(-seconds / 900))), tolerated=1)

    assert found.verdict == "levels off"
    assert found.earlier_per_hour > 2 * found.later_per_hour > 0


def test_a_slope_that_is_within_what_the_quantity_varies_by_is_none() -> None:
    rng = random.Random(2)
    busy = [Sample(seconds, rng.choice([20, 100])) for seconds in range(0, 900, 5)]
    more_and_more = [Sample(s.seconds, s.amount + s.seconds) for s in busy]

    assert growth(busy, tolerated=1).verdict == "level"
    assert growth(more_and_more, tolerated=1).verdict == "**grows**"


def test_a_slope_is_per_hour() -> None:
    assert per_hour(samples(lambda seconds: 5 + seconds / 60, 5)) == pytest.approx(60)


def test_a_growth_counts_from_the_end_of_the_warm_up() -> None:
    found = growth(samples(lambda seconds: 500 if seconds < 600 else 100), tolerated=1)

    assert (found.first, found.last, found.most) == (100, 100, 500)


def test_too_few_samples_are_not_judged() -> None:
    with pytest.raises(ValueError, match="too few"):
        growth([Sample(seconds, 1) for seconds in range(5)], tolerated=1)
