"""Calls in parallel: their results in order, and never more of them than fit into memory."""

import threading

import pytest

from handlers.sensor.parallel import MAX_PARALLEL, in_parallel


def test_results_are_in_the_order_of_their_arguments() -> None:
    assert list(in_parallel(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_one_call_alone_has_no_thread() -> None:
    assert list(in_parallel(lambda _: threading.current_thread(), [1])) == [
        threading.current_thread()
    ]
    assert list(in_parallel(lambda n: n, [])) == []


def test_calls_are_made_at_once() -> None:
    all_are_here = threading.Barrier(MAX_PARALLEL)
    assert len(list(in_parallel(lambda _: all_are_here.wait(10), range(MAX_PARALLEL)))) == 16


def test_calls_begin_only_as_fast_as_their_results_are_taken() -> None:
    begun = threading.Semaphore(0)
    count = 0

    def call(number: int) -> int:
        nonlocal count
        count += 1
        begun.release()
        return number

    results = in_parallel(call, range(1_000))
    next(results)
    for _ in range(MAX_PARALLEL):
        assert begun.acquire(timeout=10)

    assert count <= MAX_PARALLEL + 1
    results.close()  # type: ignore[attr-defined]


def test_an_error_ends_it() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise ZeroDivisionError
        return number

    results = in_parallel(fail, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
