"""A file in segments: each row belongs to one segment, wherever the file is divided."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handlers.sensor.lines import MAX_LINE, numbered_blocks
from handlers.sensor.segments import MAX_SEGMENTS, OVERRUN, Segment, divide, segment_blocks


def in_lines(blocks: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Number and content of each line; long lines are cut."""
    lines: list[tuple[int, bytes]] = []
    for number, block in blocks:
        found = (line.removesuffix(b"\r") for line in block[:-1].split(b"\n"))
        lines += enumerate((line[: MAX_LINE + 1] for line in found), number)
    return lines


def lines_of(content: bytes, segment: Segment, chunk: int) -> list[tuple[int, bytes]]:
    start, stop = segment.byte_range(len(content))

    def chunks() -> Iterator[bytes]:
        for position in range(start, stop, chunk):
            yield content[position : min(position + chunk, stop)]

    return in_lines(segment_blocks(chunks(), segment))


@settings(max_examples=400)
@given(
    content=st.lists(
        st.sampled_from([b"a,1,1", b"", b"\r", b"\xef\xbb\xbf", b"\n", b"\r\n", b"x" * 7])
    ).map(b"".join),
    segment_bytes=st.integers(1, 40),
    chunk=st.integers(1, 50),
)
@example(content=b"\xef\xbb\xbfa\n", segment_bytes=1, chunk=1)
@example(content=b"a\n" + b"x" * (MAX_LINE + 200) + b"\nb\n", segment_bytes=9, chunk=1000)
@example(content=b"x" * (MAX_LINE + 2) + b"\r\nb", segment_bytes=MAX_LINE, chunk=100)
def test_the_lines_of_all_segments_are_those_of_the_file(
    content: bytes, segment_bytes: int, chunk: int
) -> None:
    numbered, before = [], 0
    for segment in divide(len(content), segment_bytes):
        found = lines_of(content, segment, chunk)
        numbered += [(before + number, line) for number, line in found]
        before += len(found)

    assert numbered == in_lines(numbered_blocks([content]))


def test_a_row_belongs_to_the_segment_in_which_it_starts() -> None:
    content = b"first\nsecond\nthird\n"
    first, second = Segment(0, 0, 7), Segment(1, 7, len(content))

    assert lines_of(content, first, 100) == [(1, b"first"), (2, b"second")]
    assert lines_of(content, second, 100) == [(1, b"third")]


def test_a_row_that_starts_at_the_first_byte_belongs_to_the_segment() -> None:
    content = b"one\ntwo\n"

    assert lines_of(content, Segment(0, 0, 4), 100) == [(1, b"one")]
    assert lines_of(content, Segment(1, 4, 8), 100) == [(1, b"two")]


def test_the_segments_cover_the_file() -> None:
    assert divide(10, 4) == [Segment(0, 0, 4), Segment(1, 4, 8), Segment(2, 8, 10)]
    assert divide(8, 4) == [Segment(0, 0, 4), Segment(1, 4, 8)]


def test_a_very_large_file_has_larger_segments_not_more() -> None:
    segments = divide(10**13, 32 * 1024 * 1024)

    assert len(segments) <= MAX_SEGMENTS
    assert segments[-1].end == 10**13


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        pytest.param(Segment(0, 0, 100), (0, 100 + OVERRUN), id="first"),
        pytest.param(Segment(1, 100, 200), (99, 200 + OVERRUN), id="middle"),
        pytest.param(Segment(9, 99_900, 100_000), (99_899, 100_000), id="last"),
    ],
)
def test_only_the_segment_and_the_end_of_its_last_row_are_read(
    segment: Segment, expected: tuple[int, int]
) -> None:
    assert segment.byte_range(100_000) == expected
