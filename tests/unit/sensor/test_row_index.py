"""The index of segments: every record where its reader looks for it, however many there are."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.sensor import record_file, row_index
from handlers.sensor.record_file import RecordFile
from handlers.sensor.row import Row
from handlers.sensor.row_index import (
    RECORD,
    LineSet,
    PartitionIndex,
    RowIndex,
    offsets_range,
    parse_offsets,
)

Key = tuple[int, int]  # sensor, time


@pytest.fixture
def small_pages() -> Iterator[None]:
    """A page has two records, and there are three groups of partitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_file, "_PAGE_RECORDS", 2)
        patch.setattr(row_index, "_MAX_GROUPS", 3)
        patch.setattr(row_index, "_MAX_SENSORS", 2)
        yield


def row(key: Key) -> Row:
    sensor, time = key
    return b"%d,%d" % key, b"%d" % sensor, b"%d" % time, b"1", b""


def lines_of(content: bytes) -> list[int]:
    return [int.from_bytes(content[start : start + 4]) for start in range(0, len(content), 4)]


def index_of(keys: list[Key], partitions: int, block: int) -> bytes:
    """The index of a segment whose rows are added in blocks, from line 1 on."""
    with closing(RowIndex(partitions)) as index:
        for start in range(0, len(keys), block):
            rows = [row(key) for key in keys[start : start + block]]
            index.add(rows, range(start + 1, start + 1 + len(rows)))
        return b"".join(index.parts())


def replaced_in(segments: list[bytes], partitions: int) -> tuple[dict[int, set[int]], int, int]:
    """The lines that are replaced by segment, and the numbers of keys and of sensors."""
    found: dict[int, set[int]] = {}
    readings = sensors = 0
    for partition in range(partitions):
        with closing(PartitionIndex()) as index:
            for number in reversed(range(len(segments))):
                content = segments[number]
                start, stop = parse_offsets(content[slice(*offsets_range(partition))])
                # In two chunks, the later one first.
                middle = start + (stop - start) // RECORD // 2 * RECORD
                index.add(number, content[middle:stop])
                index.add(number, content[start:middle])
            for segment, lines in index.replaced().items():
                found.setdefault(segment, set()).update(lines_of(lines))
            readings += index.readings
            sensors += index.sensors
    return found, readings, sensors


@settings(max_examples=200)
@given(
    segments=st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=30), max_size=4
    ),
    partitions=st.integers(1, 10),
    block=st.integers(1, 12),
)
@pytest.mark.usefixtures("small_pages")
def test_all_rows_are_replaced_but_the_last_of_each_key(
    segments: list[list[Key]], partitions: int, block: int
) -> None:
    # Given the rows of some segments
    last = {key: (s, n) for s, keys in enumerate(segments) for n, key in enumerate(keys, start=1)}
    expected: dict[int, set[int]] = {}
    for number, keys in enumerate(segments):
        for line, key in enumerate(keys, start=1):
            if last[key] != (number, line):
                expected.setdefault(number, set()).add(line)

    # When they are indexed, and each partition is reconciled
    indexes = [index_of(keys, partitions, block) for keys in segments]
    replaced, readings, sensors = replaced_in(indexes, partitions)

    # Then all but the last rows are found, and keys and sensors are counted
    assert replaced == expected
    assert (readings, sensors) == (len(last), len({sensor for sensor, _ in last}))


@pytest.mark.usefixtures("small_pages")
def test_an_index_is_the_same_however_its_rows_arrive() -> None:
    keys = [(number % 7, number) for number in range(500)]

    assert index_of(keys, 10, 1) == index_of(keys, 10, 500)


def test_records_are_read_as_they_were_added(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more records than a page has
    expected = [b"%04d" % number * 5 for number in range(1_000)]
    content = io.BytesIO()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: content)
    with closing(RecordFile(3, 20)) as file:
        # When they are added to one partition, then only a rest is in memory
        for record in expected:
            file.recent[1] += record
            file.spill()
        assert len(file.recent[1]) < 20 * 201

        # And they are all there
        assert b"".join(file.read(1)) == b"".join(expected)
        assert b"".join(file.read(0)) == b""

    # And no file remains
    assert content.closed


def test_few_records_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    with closing(RecordFile(3, 20)) as file:
        file.recent[0] += bytes(20)
        file.spill()
        assert list(file.read(0)) == [bytes(20)]


@given(st.sets(st.integers(1, 300)), st.integers(0, 310), st.integers(0, 310))
def test_a_set_of_lines_has_exactly_those_lines(lines: set[int], first: int, last: int) -> None:
    found = LineSet()
    for line in lines:
        found.add(line.to_bytes(4))

    assert {line for line in range(320) if line in found} == lines
    if lines & {*range(first, last + 1)}:
        assert found.may_have(first, last)
    if first <= last and not lines & {*range(first // 8 * 8, last + 8)}:
        assert not found.may_have(first, last)
