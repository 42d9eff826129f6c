"""Splitting a stream into numbered lines."""

import tracemalloc
from collections.abc import Iterable, Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sensor.lines import MAX_LINE, numbered_blocks


def numbered_lines(chunks: Iterable[bytes], limit: int) -> list[tuple[int, bytes]]:
    """Number and content of each line in the blocks; lines over the limit are cut here."""
    lines: list[tuple[int, bytes]] = []
    for number, block in numbered_blocks(chunks, limit):
        assert block.endswith(b"\n")
        found = (line.removesuffix(b"\r") for line in block[:-1].split(b"\n"))
        lines += enumerate((line[: limit + 1] for line in found), number)
    return lines


def split(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"a\nb\n", [b"a", b"b"], id="lf"),
        pytest.param(b"a\r\nb\r\n", [b"a", b"b"], id="crlf"),
        pytest.param(b"a\nb", [b"a", b"b"], id="no-last-line-break"),
        pytest.param(b"a\n\n\nb", [b"a", b"", b"", b"b"], id="blank-lines-count"),
        pytest.param(b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"], id="bom-at-start"),
        pytest.param(b"a\rb\n", [b"a\rb"], id="carriage-return-inside"),
        pytest.param(b"12345\n123456\n", [b"12345", b"123456"], id="at-and-over-the-limit"),
        pytest.param(b"12345\r\n1", [b"12345", b"1"], id="line-ending-does-not-count"),
        pytest.param(b"\xef\xbb\xbf12345\r\n1", [b"12345", b"1"], id="bom-does-not-count"),
        pytest.param(b"123456789\n1", [b"123456", b"1"], id="far-over-the-limit-is-cut"),
        pytest.param(b"1" * 99 + b"\r\n2", [b"111111", b"2"], id="cut-and-then-another"),
        pytest.param(b"1" * 99, [b"111111"], id="cut-at-the-end"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_split_and_numbered(content: bytes, lines: list[bytes], size: int) -> None:
    assert numbered_lines(split(content, size), limit=5) == list(enumerate(lines, 1))


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\xef\xbb\xbf", b"a", b"b" * 30]), max_size=9)
    | st.lists(st.binary(max_size=30), max_size=9),
    st.integers(1, 100),
    st.integers(1, 20),
)
def test_the_lines_are_those_of_the_file(parts: list[bytes], size: int, limit: int) -> None:
    content = b"".join(parts)
    lines = content.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    lines[:1] = [line.removeprefix(b"\xef\xbb\xbf") for line in lines[:1]]
    cut = [line.removesuffix(b"\r")[: limit + 1] for line in lines]

    with patch("handlers.sensor.lines._BLOCK", 10):
        assert numbered_lines(split(content, size), limit) == list(enumerate(cut, 1))


def test_a_block_is_small() -> None:
    # Given a megabyte of short lines, and one long line
    content = b"0123456789\n" * 100_000 + b"x" * 200_000 + b"\n"

    # When it is read in blocks, then all but the long line's are small
    sizes = sorted(len(block) for _, block in numbered_blocks([content]))
    assert sizes[-2] <= 8 * 1024
    assert sum(sizes) == len(content)


def test_memory_is_bounded_for_a_long_line() -> None:
    # Given 64 MiB without a line break, generated while they are read
    def content() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 1024 * 1024
        yield b"\nlast"

    # When its lines are read
    tracemalloc.start()
    lengths = [len(line) for _, line in numbered_lines(content(), MAX_LINE)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Then there are two, and a few chunks were in memory at once
    assert lengths == [4097, 4]
    assert peak < 8 * 1024 * 1024
