"""Reads a segment for the first time: indexes its readings, collects what it rejects, counts."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Self

from handlers.sensor.object_writer import ObjectWriter
from handlers.sensor.plan import Plan
from handlers.sensor.readings import BlockParser, ParsedBlock, is_header
from handlers.sensor.rejects import RejectedRows
from handlers.sensor.row_index import RowIndex
from handlers.sensor.segments import Segment, segment_blocks
from handlers.sensor.source import open_source
from handlers.sensor.work_area import WorkArea


@dataclass
class SegmentCounts:
    """The counts of a segment."""

    lines: int = 0
    rows: int = 0  # lines that are not blank
    readings: int = 0
    rejected: int = 0  # with the header, if the segment starts with one
    starts_with_header: bool = False
    first_timestamp: int = 0  # 0 if there are no readings
    last_timestamp: int = 0

    def add(self, number: int, block: bytes, parsed: ParsedBlock) -> None:
        """Count a block, whose first line has the given number."""
        rows, places, rejected = parsed
        if self.rows == 0 and rejected and (not rows or rejected[0].place < places[0]):
            self.starts_with_header = is_header(rejected[0].line)
        if rows:
            times = [int(row[2]) for row in rows]
            if self.readings:
                times += self.first_timestamp, self.last_timestamp
            self.first_timestamp, self.last_timestamp = min(times), max(times)
        self.lines = number + block.count(b"\n") - 1
        self.rows += len(rows) + len(rejected)
        self.readings += len(rows)
        self.rejected += len(rejected)

    @classmethod
    def read(cls, work: WorkArea, segment: int) -> Self:
        return cls(**work.get_json(_counts_name(segment)))


def index_name(segment: int) -> str:
    return f"index/{segment:06}"


def rejects_name(segment: int) -> str:
    """Rejected rows without a heading, with the segment's own line numbers."""
    return f"rejects/{segment:06}.csv"


def index_segment(plan: Plan, segment: Segment) -> SegmentCounts:
    """Write the index, the rejected rows and the counts of a segment to the work area.

    Raises the errors of `open_source`.
    """
    counts, work = SegmentCounts(), plan.work
    rejects_key, index_key = (work.key(name(segment.number)) for name in (rejects_name, index_name))
    with closing(RowIndex(plan.partitions)) as index:
        with RejectedRows(work.bucket, rejects_key, heading=b"") as rejects:
            for number, block, parsed in read_blocks(plan, segment):
                index.add(parsed.rows, [number + place for place in parsed.places])
                for place, reason, line in parsed.rejected:
                    rejects.add(number + place, reason, line)
                counts.add(number, block, parsed)
        with ObjectWriter(
            work.bucket,
            index_key,
            content_type="application/octet-stream",
            description="index of a segment",
        ) as stored:
            for part in index.parts():
                stored.write(part)
    work.put(_line_counts_name(segment.number, counts.lines, counts.rows), b"")
    work.put_json(_counts_name(segment.number), asdict(counts))
    return counts


def read_blocks(plan: Plan, segment: Segment) -> Iterator[tuple[int, bytes, ParsedBlock]]:
    """The blocks of a segment, from S3: the number of the first line, the block, and what is in it.

    A header is a rejected line: whether it is the file's first row, no segment knows alone. Raises
    the errors of `open_source`.
    """
    _, content = open_source(plan.source, segment.byte_range(plan.size))
    parser = BlockParser(has_header=False)
    with closing(content) as chunks:
        for number, block in segment_blocks(chunks, segment):
            yield number, block, parser.parse(block)


def lines_and_rows_before(work: WorkArea, segment: int) -> tuple[int, int]:
    """How many lines and rows the file has before a segment."""
    lines = rows = 0
    for name, _ in work.sizes(_LINE_COUNTS):
        number, lines_in, rows_in = map(int, name.removeprefix(_LINE_COUNTS).split("-"))
        if number >= segment:
            break
        lines += lines_in
        rows += rows_in
    return lines, rows


_LINE_COUNTS = "line-counts/"


def _line_counts_name(segment: int, lines: int, rows: int) -> str:
    """The name alone has the counts: a list of names costs less than reading as many objects."""
    return f"{_LINE_COUNTS}{segment:06}-{lines}-{rows}"


def _counts_name(segment: int) -> str:
    return f"counts/{segment:06}.json"
