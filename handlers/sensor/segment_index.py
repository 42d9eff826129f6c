"""Reads a segment for the first time: indexes its readings, collects what it rejects, counts."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Self

from handlers.sensor.object_writer import ObjectWriter
from handlers.sensor.plan import Plan
from handlers.sensor.readings import Reading, is_header, parse
from handlers.sensor.rejects import RejectedRows
from handlers.sensor.row_index import RowIndex
from handlers.sensor.segments import Segment, segment_lines
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
    index, counts = RowIndex(plan.partitions), SegmentCounts()
    work = plan.work
    with RejectedRows(work.bucket, work.key(rejects_name(segment.number)), heading=b"") as rejects:
        for number, line in read_lines(plan, segment):
            counts.lines = number
            row = parse(line)
            if isinstance(row, Reading):
                index.add(row, number)
                if counts.readings == 0:
                    counts.first_timestamp = counts.last_timestamp = row.timestamp
                else:
                    counts.first_timestamp = min(counts.first_timestamp, row.timestamp)
                    counts.last_timestamp = max(counts.last_timestamp, row.timestamp)
                counts.readings += 1
            elif row is None:
                continue
            else:
                counts.starts_with_header |= counts.rows == 0 and is_header(line)
                rejects.add(number, row.reason, line)
            counts.rows += 1
    counts.rejected = rejects.count
    with ObjectWriter(
        work.bucket,
        work.key(index_name(segment.number)),
        content_type="application/octet-stream",
        description="index of a segment",
    ) as stored:
        for part in index.parts():
            stored.write(part)
    work.put(_line_counts_name(segment.number, counts.lines, counts.rows), b"")
    work.put_json(_counts_name(segment.number), asdict(counts))
    return counts


def read_lines(plan: Plan, segment: Segment) -> Iterator[tuple[int, bytes]]:
    """The lines of a segment, from S3. Raises the errors of `open_source`."""
    _, content = open_source(plan.source, segment.byte_range(plan.size))
    with closing(content) as chunks:
        yield from segment_lines(chunks, segment)


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
