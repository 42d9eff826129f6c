"""Duplicates are counted exactly, in whatever order they come, and in little memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from handlers.sensor.seen import SeenKeys


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), min_size=1))
def test_as_a_set_would(keys: list[tuple[str, int]]) -> None:
    seen = SeenKeys()
    for key in keys:
        seen.add(*key)

    distinct = set(keys)
    times = [time for _, time in distinct]
    assert seen.keys == len(distinct)
    assert seen.duplicates == len(keys) - len(distinct)
    assert seen.sensors == len({sensor for sensor, _ in distinct})
    assert (seen.first_timestamp, seen.last_timestamp) == (min(times), max(times))


def test_an_ordered_file_takes_eight_bytes_a_row() -> None:
    rows = 200_000
    tracemalloc.start()
    seen = SeenKeys()
    for time in range(rows):
        seen.add("a", time)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < rows * 8 * 1.25  # arrays grow by an eighth
