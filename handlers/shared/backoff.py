"""Exponential backoff with full jitter, for code with its own retries.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import random
from collections.abc import Callable

_MAX_DOUBLINGS = 64  # far above any maximum; a float overflows after 1,023

Backoff = Callable[[int], float]


def full_jitter(base: float, maximum: float) -> Backoff:
    """Seconds to wait before an attempt: random, at most `base * 2**attempt` and `maximum`."""

    def seconds(attempt: int) -> float:
        return random.uniform(0, min(maximum, base * 2 ** min(attempt, _MAX_DOUBLINGS)))

    return seconds
