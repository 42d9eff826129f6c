"""The pace follows what a table accepts: simulated, in virtual time."""

import heapq
import random
from collections import deque
from dataclasses import dataclass

import pytest

from handlers.shared.aws_http.pace import Pace
from handlers.shared.backoff import full_jitter

LATENCY = 0.005


@dataclass
class Result:
    """How long it took, and how many requests."""

    seconds: float
    requests: int


def simulated(
    rows: int,
    *,
    rate: float,
    burst: float,
    refused_share: float = 0.0,
    connections: int = 64,
    seed: int = 0,
    stall: tuple[float, float] | None = None,
) -> Result:
    """Write rows in batches of 25 to a table that accepts `rate` rows a second.

    `refused_share`: this share of the requests is refused whatever the rate. `stall`: the client
    stands still at a time, for some seconds.
    """
    chance = random.Random(seed)
    random.seed(seed)  # of the jitter
    jitter = full_jitter(0.05, maximum=5)
    now, tokens, counted, requests = 0.0, burst, 0.0, 0
    pace = Pace(connections, jitter, now)
    queue = deque([25] * (rows // 25))
    waiting: list[tuple[float, int]] = []
    flying: list[tuple[float, int, int, float, int]] = []
    leftovers = written = 0
    while written < rows:
        if stall and now >= stall[0]:
            now += stall[1]
            stall = None
        while len(flying) < pace.concurrency and pace.delay(now) == 0.0:
            if waiting and waiting[0][0] <= now:
                items = heapq.heappop(waiting)[1]
            elif leftovers >= 25 or (leftovers and not queue and not flying):
                items = min(leftovers, 25)
                leftovers -= items
            elif queue:
                items = queue.popleft()
            else:
                break
            requests += 1
            pace.sent(items)
            arrives = now + LATENCY / 2
            tokens, counted = min(burst, tokens + (arrives - counted) * rate), arrives
            accepted = min(items, int(tokens))
            if chance.random() < refused_share:
                accepted = chance.randint(0, items // 2)
            tokens -= accepted
            heapq.heappush(flying, (now + LATENCY, requests, items, now, accepted))
        next_times = [flying[0][0]] if flying else []
        next_times += [now + max(pace.delay(now), 0.0005)] if queue or leftovers or waiting else []
        now = max(now, min(next_times))
        while flying and flying[0][0] <= now:
            _, _, items, sent_at, accepted = heapq.heappop(flying)
            written += accepted
            if accepted == items:
                pace.accepted(accepted, now)
                continue
            pause = pace.refused(items - accepted, accepted, sent_at, now)
            if accepted:
                leftovers += items - accepted
            else:
                heapq.heappush(waiting, (now + pause, items))
    return Result(now, requests)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [1_000, 4_000, 40_000])
def test_a_limit_is_used_with_few_refusals(rate: int, seed: int) -> None:
    rows = 15 * rate
    result = simulated(rows, rate=rate, burst=rate, seed=seed)
    assert result.seconds <= 1.10 * (rows - rate) / rate
    assert result.requests <= 1.15 * rows / 25 + 100  # until the limit is known


@pytest.mark.parametrize("seed", range(5))
def test_a_pause_of_the_client_does_not_lower_the_rate_for_long(seed: int) -> None:
    result = simulated(60_000, rate=4_000, burst=4_000, seed=seed, stall=(3.0, 1.0))
    assert result.seconds <= 1.15 * 14
    assert result.requests <= 1.15 * 60_000 / 25


@pytest.mark.parametrize("seed", range(5))
def test_refusals_that_have_another_cause_hardly_slow_it_down(seed: int) -> None:
    # Given a table that refuses most of a tenth of the requests, whatever the rate
    result = simulated(200_000, rate=10**9, burst=10**9, refused_share=0.1, seed=seed)

    # Then at least twenty connections are used on average
    assert result.seconds <= result.requests * LATENCY / 20


def test_without_refusals_nothing_limits_it_but_the_connections() -> None:
    result = simulated(400_000, rate=10**9, burst=10**9)
    assert result.requests == 16_000
    assert result.seconds <= 1.05 * 16_000 * LATENCY / 64
