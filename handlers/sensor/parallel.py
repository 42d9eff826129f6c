"""Calls many functions at once, for requests whose time is spent waiting."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

MAX_PARALLEL = 16  # calls

T = TypeVar("T")
A = TypeVar("A")


def in_parallel(call: Callable[[A], T], arguments: Iterable[A]) -> Iterator[T]:
    """The results of calls, in the order of their arguments. An error ends it.

    Calls begin only as fast as their results are taken, so that those do not fill the memory. One
    call alone, as for a file of one segment, has no thread of its own.
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
