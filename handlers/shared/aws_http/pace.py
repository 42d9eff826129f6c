"""How fast to write to a table that throttles."""

import math
from collections import deque
from collections.abc import Callable

_INITIAL_CONCURRENCY = 32  # requests
_MEASURED_SECONDS = 1.0
_TOLERATED_REFUSALS = 0.15  # share of items that the table may refuse
_MIN_SAMPLE = 500  # items; with fewer, the share of refusals says little
_SHARE_OF_ACCEPTED = 0.95  # the new rate, as a share of the rate that the table accepted
_GROWTH, _FAST_GROWTH = 0.05, 1.0  # of the rate in a second, as shares of it
_FAST_AFTER = 3.0  # seconds without a refusal
_LOWEST_RATE = 500.0  # items per second; only pauses make it slower
_BURST_SECONDS = 0.02  # the items of this time may be sent at once


class Pace:
    """Limits concurrent requests and items per second to about what the table accepts.

    Nothing limits the rate until the table refuses more than 15 % of the items. Then the rate is
    nearly what the table accepted. It grows by 5 % a second, so that it follows the table's
    capacity. A few refusals do not lower it: they may have causes that a lower rate does not
    remove.

    Rows that are refused wait for a random time (full jitter). If a whole round of requests is
    refused twice in a row, all requests wait.
    """

    def __init__(self, connections: int, backoff: Callable[[int], float], now: float) -> None:
        self.concurrency = min(_INITIAL_CONCURRENCY, connections)
        self._connections = connections
        self._backoff = backoff
        self._rate = math.inf
        self._allowance = 0.0  # items that may be sent now
        self._counted = now  # when the allowance was last computed
        self._resume = now  # no request is sent before
        self._results: deque[tuple[float, int, int]] = deque()  # when, accepted, refused
        self._since = now  # earlier results are not measured any more
        self._round = now  # its start; requests sent before that belong to an earlier round
        self._refused_rounds = 0
        self._last_refusal = now

    def delay(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        if now < self._resume:
            return self._resume - now
        if self._rate == math.inf:
            return 0.0
        elapsed, self._counted = now - self._counted, now
        calm = now - self._last_refusal > _FAST_AFTER
        self._rate *= 1 + elapsed * (_FAST_GROWTH if calm else _GROWTH)
        burst = max(1.0, self._rate * _BURST_SECONDS)
        self._allowance = min(self._allowance + elapsed * self._rate, burst)
        return max(0.0, -self._allowance / self._rate)

    def sent(self, items: int) -> None:
        self._allowance -= items

    def accepted(self, items: int, now: float) -> None:
        """After a response that accepted all items."""
        self._results.append((now, items, 0))
        self._refused_rounds = 0
        self.concurrency = min(self.concurrency + 1, self._connections)

    def refused(self, items: int, accepted: int, sent_at: float, now: float) -> float:
        """After a response that refused items; returns the seconds until they are sent again."""
        self._results.append((now, accepted, items))
        self._last_refusal = now
        if accepted > items:
            self._refused_rounds = 0
        if sent_at >= self._round:
            self._round = now
            self._refused_rounds += 1
            self.concurrency = max(1, self.concurrency // 2)
            self._measure(now)
        pause = self._backoff(max(1, self._refused_rounds))
        if self._refused_rounds > 1:
            self._resume = max(self._resume, now + pause)
        return pause

    def _measure(self, now: float) -> None:
        """Lower the rate to what was accepted, if too much was refused."""
        self._since = max(self._since, now - _MEASURED_SECONDS)
        while self._results[0][0] < self._since:
            self._results.popleft()
        accepted = sum(items for _, items, _ in self._results)
        refused = sum(items for _, _, items in self._results)
        total = accepted + refused
        if total >= _MIN_SAMPLE and refused > _TOLERATED_REFUSALS * total:
            seconds = max(now - self._since, 0.05)
            self._rate = min(self._rate, max(_SHARE_OF_ACCEPTED * accepted / seconds, _LOWEST_RATE))
            self._allowance, self._counted = min(self._allowance, 0.0), now
            if now - self._since >= _MEASURED_SECONDS / 4:
                self._since = now
