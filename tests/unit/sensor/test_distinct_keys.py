"""Duplicates are counted exactly, in any order of the rows and in little memory."""

import random
import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.sensor.distinct_keys import DistinctCount, DistinctKeys
from handlers.sensor.row import Row


def row(sensor: str, timestamp: int) -> Row:
    key = f"{sensor},{timestamp}".encode()
    return key, sensor.encode(), b"%d" % timestamp, b"1", b""


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), min_size=1),
    st.integers(1, 10),
)
def test_the_counts_are_those_of_a_set(rows: list[tuple[str, int]], block: int) -> None:
    with closing(DistinctKeys()) as keys:
        for start in range(0, len(rows), block):
            keys.add([row(*each) for each in rows[start : start + block]])

        distinct = set(rows)
        times = [time for _, time in distinct]
        assert keys.count == len(distinct)
        assert keys.duplicates == len(rows) - len(distinct)
        assert keys.sensors == len({sensor for sensor, _ in distinct})
        assert (keys.first_timestamp, keys.last_timestamp) == (min(times), max(times))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 20).map(lambda number: b"key %d" % number))),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_what_does_not_fit_into_memory_is_counted_as_well(
    keys: list[list[bytes]], max_in_memory: int, partitions: int
) -> None:
    with closing(DistinctCount(max_in_memory, partitions)) as counted:
        for some in keys:
            counted.add(some)
        assert counted.count() == len(set().union(*keys))
        assert counted.count() == len(set().union(*keys))  # counting changes nothing


def newest_first(rows: int) -> Iterator[Row]:
    return (row("a", -number) for number in range(rows))


def shuffled(rows: int) -> Iterator[Row]:
    chosen = random.Random(1)
    return (row(f"{chosen.randrange(300)}", chosen.randrange(10**9)) for _ in range(rows))


def a_sensor_each(rows: int) -> Iterator[Row]:
    return (row(f"sensor-{number}", number) for number in range(rows))


@pytest.mark.slow
@pytest.mark.parametrize("order", [newest_first, shuffled, a_sensor_each])
def test_memory_does_not_grow_with_the_file(order: object) -> None:
    rows, block = 100_000, 2_000
    assert callable(order)
    each = order(rows)
    tracemalloc.start()
    with closing(DistinctKeys()) as keys:
        for _ in range(rows // block):
            keys.add([next(each) for _ in range(block)])
        count = keys.count
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 0.99 * rows
    assert peak < 12 * 1024 * 1024
