"""Growth of files, processes and memory: how much in an hour, and whether it levels off."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

# Growth per hour that is no growth, as a share of the median.
TOLERATED_SHARE = 0.10
# Growth within the later half that is none, because the quantity varies by as much: so many of its
# standard deviations from the line.
VARIATION = 2
WARM_UP_SHARE = 0.25  # of the time, until caches and the newest records are full


@dataclass(frozen=True)
class Sample:
    """One look at a quantity: seconds since the beginning, and how much there is of it."""

    seconds: float
    amount: float


@dataclass(frozen=True)
class Growth:
    """How a quantity grew after the warm-up, in both halves of the time."""

    first: float  # at the end of the warm-up
    last: float
    most: float
    earlier_per_hour: float
    later_per_hour: float
    tolerated_per_hour: float

    @property
    def _is_level(self) -> bool:
        return self.later_per_hour <= self.tolerated_per_hour

    @property
    def levels_off(self) -> bool:
        """It does not grow any more, or grows at less than half of its pace before."""
        return self._is_level or self.later_per_hour < self.earlier_per_hour / 2

    @property
    def verdict(self) -> str:
        if self._is_level:
            return "level"
        return "levels off" if self.levels_off else "**grows**"


def growth(samples: Sequence[Sample], tolerated: float) -> Growth:
    """Judge the samples. `tolerated`: growth per hour that is none, whatever the median is."""
    begin, end = samples[0].seconds, samples[-1].seconds
    warm = [s for s in samples if s.seconds >= begin + WARM_UP_SHARE * (end - begin)]
    if len(warm) < 8:
        raise ValueError(f"{len(warm)} samples after the warm-up are too few to judge growth.")
    middle = len(warm) // 2
    typical = median(sample.amount for sample in warm)
    later = warm[middle:]
    hours = (later[-1].seconds - later[0].seconds) / 3600
    varies = VARIATION * pstdev(without_trend(later)) / hours
    return Growth(
        first=_level(warm[:4]),
        last=_level(warm[-4:]),
        most=max(sample.amount for sample in samples),
        earlier_per_hour=per_hour(warm[:middle]),
        later_per_hour=per_hour(later),
        tolerated_per_hour=max(TOLERATED_SHARE * typical, tolerated, varies),
    )


def _level(samples: Sequence[Sample]) -> float:
    return median(sample.amount for sample in samples)


def without_trend(samples: Sequence[Sample]) -> list[float]:
    """How far each sample is from the line through them."""
    slope, begin = per_hour(samples) / 3600, samples[0].seconds
    return [sample.amount - slope * (sample.seconds - begin) for sample in samples]


def per_hour(samples: Sequence[Sample]) -> float:
    """The slope of the line through the samples (least squares), per hour."""
    mean_time = fmean(sample.seconds for sample in samples)
    mean_amount = fmean(sample.amount for sample in samples)
    variance = sum((sample.seconds - mean_time) ** 2 for sample in samples)
    covariance = sum((s.seconds - mean_time) * (s.amount - mean_amount) for s in samples)
    return 3600 * covariance / variance
