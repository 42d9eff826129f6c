"""How many cookies a person has eaten."""

import random

MOST_COOKIES = 9


def cookies_eaten_by(n: int, name: str) -> int:
    """0 to 9; the same however often one asks, for an event may come twice."""
    return random.Random(f"cookies/{n}/{name}").randint(0, MOST_COOKIES)
