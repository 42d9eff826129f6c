"""The first pass over a segment: indexes its readings, collects rejected rows, and counts both."""

from collections.abc import Iterator
from contextlib import closing

from handlers.sensor.object_writer import ObjectWriter
from handlers.sensor.plan import Plan
from handlers.sensor.readings import BlockParser, ParsedBlock, is_header
from handlers.sensor.rejects import RejectedRows, rejects_name
from handlers.sensor.row_index import RowIndex, index_name
from handlers.sensor.segment_counts import SegmentCounts
from handlers.sensor.segments import Segment, segment_blocks
from handlers.sensor.source import open_source


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
                _count(counts, number, block, parsed)
        with ObjectWriter(
            work.bucket,
            index_key,
            content_type="application/octet-stream",
            description="index of a segment",
        ) as stored:
            for part in index.parts():
                stored.write(part)
    counts.write(work, segment.number)
    return counts


def _count(counts: SegmentCounts, number: int, block: bytes, parsed: ParsedBlock) -> None:
    """Count a block, whose first line has the given number."""
    rows, places, rejected = parsed
    if counts.rows == 0 and rejected and (not rows or rejected[0].place < places[0]):
        counts.starts_with_header = is_header(rejected[0].line)
    if rows:
        times = [int(row[2]) for row in rows]
        if counts.readings:
            times += counts.first_timestamp, counts.last_timestamp
        counts.first_timestamp, counts.last_timestamp = min(times), max(times)
    counts.lines = number + block.count(b"\n") - 1
    counts.rows += len(rows) + len(rejected)
    counts.readings += len(rows)
    counts.rejected += len(rejected)


def read_blocks(plan: Plan, segment: Segment) -> Iterator[tuple[int, bytes, ParsedBlock]]:
    """The blocks of a segment: the number of the first line, the block, and its parsed content.

    A header is returned as a rejected line, because a segment alone does not show whether that line
    is the first row of the file. Raises the errors of `open_source`.
    """
    _, content = open_source(plan.source, segment.byte_range(plan.size))
    parser = BlockParser(has_header=False)
    with closing(content) as chunks:
        for number, block in segment_blocks(chunks, segment):
            yield number, block, parser.parse(block)
