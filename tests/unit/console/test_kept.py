"""Values that are kept, and read again in the background."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from console.aws import NotAllowedError, NotFoundError, UnreachableError
from console.kept import Kept
from local.aws import until

LONG = 60.0  # seconds


class Source:
    """Something slow to read."""

    def __init__(self) -> None:
        self.value: object = 1
        self.failure: Exception | None = None
        self.reads = 0
        self.changes = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def read(self) -> object:
        self.reads += 1
        assert self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return self.value

    def changed(self) -> None:
        self.changes += 1

    def kept(self, fresh: float) -> Kept[object]:
        return Kept(self.read, fresh, self.changed)


@pytest.fixture
def source() -> Source:
    return Source()


def test_who_asks_at_the_same_time_shares_one_reading(source: Source) -> None:
    kept = source.kept(LONG)
    source.go_on.clear()

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(kept.get) for _ in range(5)]
        source.go_on.set()
        assert [one.result(10) for one in asked] == [1] * 5

    assert (kept.get(), source.reads) == (1, 1)


def test_an_old_value_is_given_at_once_and_read_again_meanwhile(source: Source) -> None:
    kept = source.kept(0.0)
    kept.get()
    source.value = 2
    source.go_on.clear()

    assert kept.get() == 1  # would wait for ever if it waited for the reading

    source.go_on.set()
    until("the new value", lambda: kept.known == 2, 10)


def test_it_says_when_it_has_found_something_else(source: Source) -> None:
    kept = source.kept(0.0)
    for value in ([1], [1], [2], [2]):
        source.value = value
        first = kept.soon(LONG)
        assert first == value

    until("the second change", lambda: source.changes == 2, 10)


def test_an_equal_value_stays_the_same_object(source: Source) -> None:
    source.value = [1]
    kept = source.kept(0.0)
    first = kept.soon(LONG)
    source.value = [1]

    assert kept.soon(LONG) is first


def test_soon_waits_so_long_and_no_longer(source: Source) -> None:
    kept = source.kept(0.0)
    source.go_on.clear()
    began = time.monotonic()

    assert kept.soon(0.05) is None

    assert time.monotonic() - began < 5
    source.go_on.set()
    assert kept.soon(LONG) == 1


@pytest.mark.parametrize("error", [NotAllowedError("no"), NotFoundError("gone")], ids=str)
def test_what_cannot_be_read_any_more_is_not_shown_as_if_it_were_there(
    source: Source, error: Exception
) -> None:
    kept = source.kept(0.0)
    kept.get()
    source.failure = error
    kept.get()  # is read again in the background

    with pytest.raises(type(error)):
        until("the error", lambda: kept.get() is None, 10)


def test_while_aws_does_not_answer_the_known_value_is_given(source: Source) -> None:
    kept = source.kept(0.0)
    kept.get()
    source.failure = UnreachableError("no answer")

    assert [kept.soon(LONG) for _ in range(3)] == [1, 1, 1]


def test_an_error_at_first_is_tried_again(source: Source) -> None:
    kept = source.kept(LONG)
    source.failure = NotFoundError("not deployed yet")
    with pytest.raises(NotFoundError):
        kept.get()
    source.failure = None

    assert kept.get() == 1


def test_what_expires_during_a_reading_is_read_once_more(source: Source) -> None:
    kept = source.kept(LONG)
    source.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(kept.get)
        until("the reading", lambda: source.reads == 1, 10)
        kept.expire()
        source.go_on.set()
        asked.result(10)

    kept.get()

    until("the second reading", lambda: source.reads == 2, 10)
