"""Divides a large file into segments, and reads the rows of one segment.

A row belongs to the segment in which it starts. So each row belongs to exactly one segment,
wherever the file is divided, and a segment can be read without knowledge of the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

from handlers.sensor.lines import MAX_LINE, numbered_blocks
from handlers.shared.events import field

# Each child execution of a Map adds its output, `{}`, to the Map's, which has at most 256 KiB.
MAX_SEGMENTS = 10_000
# Read after a segment's end, for its last row. A longer row is rejected, so its end is not needed.
OVERRUN = MAX_LINE + 64


@dataclass(frozen=True)
class Segment:
    """The bytes of a file from `start` up to but not including `end`."""

    number: int
    start: int
    end: int

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The segment that is the `segment` of an event: {"number", "start", "end"}."""
        fields = field(event, "segment")
        return cls(field(fields, "number"), field(fields, "start"), field(fields, "end"))

    def as_dict(self) -> dict[str, int]:
        return {"number": self.number, "start": self.start, "end": self.end}

    def byte_range(self, file_size: int) -> tuple[int, int]:
        """The bytes to read: one more before the segment, and enough after it for its last row.

        The byte before it tells whether a row starts at its first byte.
        """
        return max(self.start - 1, 0), min(self.end + OVERRUN, file_size)


def divide(file_size: int, segment_bytes: int) -> list[Segment]:
    """The segments of a file. They are larger than `segment_bytes` if there would be too many."""
    size = max(segment_bytes, ceil(file_size / MAX_SEGMENTS))
    starts = range(0, file_size, size)
    return [
        Segment(number, start, min(start + size, file_size)) for number, start in enumerate(starts)
    ]


def segment_blocks(chunks: Iterable[bytes], segment: Segment) -> Iterator[tuple[int, bytes]]:
    """The lines that start in a segment, in blocks, as `numbered_blocks` returns them.

    `chunks` is the content of the segment's `byte_range`. In each segment, line numbers start at 1.
    """
    if segment.start == 0:
        yield from numbered_blocks(_until_last_line(chunks, segment.end - 1))
        return
    blocks = numbered_blocks(_until_last_line(chunks, segment.end - segment.start))
    for number, block in blocks:
        if number > 1:
            yield number - 1, block
        # The first line is the end of a row of an earlier segment, or empty if none continues here.
        elif lines := block[block.index(b"\n") + 1 :]:
            yield 1, lines


def _until_last_line(chunks: Iterable[bytes], length: int) -> Iterator[bytes]:
    """`length` bytes, which end before the segment's last one, and the rest of their last line."""
    for chunk in chunks:
        line_end = chunk.find(b"\n", max(length, 0))
        if line_end >= 0:
            yield chunk[: line_end + 1]
            return
        yield chunk
        length -= len(chunk)
