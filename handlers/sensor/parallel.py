"""Calls a function with many arguments in parallel, for calls that mostly wait for responses."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

MAX_PARALLEL = 16  # calls

T = TypeVar("T")
A = TypeVar("A")


def in_parallel(call: Callable[[A], T], arguments: Iterable[A]) -> Iterator[T]:
    """The results of calls, in the order of their arguments. The first error is raised.

    At most MAX_PARALLEL calls are under way or have a result that is not taken yet, so that the
    results do not fill the memory. A single call is made without a thread.
    """
    remaining = iter(arguments)
    first = list(islice(remaining, 2))
    if len(first) < 2:
        yield from map(call, first)
        return
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        begun: deque[Future[T]] = deque()
        try:
            for argument in chain(first, remaining):
                if len(begun) == MAX_PARALLEL:
                    yield begun.popleft().result()
                begun.append(pool.submit(call, argument))
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
