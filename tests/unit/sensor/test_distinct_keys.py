"""Duplicates are counted exactly, in any order of the rows and in little memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from handlers.sensor.distinct_keys import DistinctKeys


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), min_size=1))
def test_the_counts_are_those_of_a_set(rows: list[tuple[str, int]]) -> None:
    keys = DistinctKeys()
    for row in rows:
        keys.add(*row)

    distinct = set(rows)
    times = [time for _, time in distinct]
    assert keys.count == len(distinct)
    assert keys.duplicates == len(rows) - len(distinct)
    assert keys.sensors == len({sensor for sensor, _ in distinct})
    assert (keys.first_timestamp, keys.last_timestamp) == (min(times), max(times))


def test_an_ordered_file_takes_eight_bytes_a_row() -> None:
    rows = 200_000
    tracemalloc.start()
    keys = DistinctKeys()
    for time in range(rows):
        keys.add("a", time)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < rows * 8 * 1.25  # arrays grow by an eighth
