"""Pauses between attempts are random and bounded."""

from handlers.shared.backoff import full_jitter


def test_the_limit_doubles_with_each_attempt() -> None:
    backoff = full_jitter(0.1, maximum=10)

    assert all(0 <= backoff(attempt) <= 0.1 * 2**attempt for attempt in range(7))


def test_a_pause_is_never_longer_than_the_maximum() -> None:
    backoff = full_jitter(0.1, maximum=10)

    assert all(0 <= backoff(attempt) <= 10 for attempt in (7, 100, 10_000))


def test_pauses_use_the_whole_range() -> None:
    backoff = full_jitter(1, maximum=1)

    pauses = [backoff(0) for _ in range(200)]

    assert min(pauses) < 0.2
    assert max(pauses) > 0.8
