"""Polling the local AWS: how often, and for how long."""

from types import SimpleNamespace

import pytest

from local import aws
from local.errors import LocalError


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    time = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(aws, "time", time)
    return clock


@pytest.mark.parametrize("seconds", [0.05, 1, 5, 30])
def test_what_is_waited_for_is_seen_soon(clock: Clock, seconds: float) -> None:
    aws.until("it", lambda: clock.now >= seconds)

    assert clock.now <= seconds + max(aws.pace.pause, seconds / 20) + 1e-9


def test_a_long_wait_polls_less_often_than_a_short_one(clock: Clock) -> None:
    aws.until("it", lambda: clock.now >= 30)

    assert clock.sleeps[0] == aws.pace.pause
    assert clock.sleeps[-1] == aws.LONGEST_PAUSE
    assert len(clock.sleeps) < 30 / aws.pace.pause / 2


def test_an_account_is_polled_no_more_often_than_its_pace(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "pace", aws.Pace(pause=2))

    aws.until("it", lambda: clock.now >= 30)

    assert set(clock.sleeps) == {2}


def test_the_wait_ends_with_an_error(clock: Clock) -> None:
    with pytest.raises(LocalError, match=r"Waited 10 s for it without success\."):
        aws.until("it", lambda: None, 10)

    assert 10 < clock.now <= 10 + aws.LONGEST_PAUSE
