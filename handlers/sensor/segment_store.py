"""Reads a segment for the second time: stores the readings that no later row replaces."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Protocol

from handlers.sensor.duplicates import replaced_lines
from handlers.sensor.plan import Plan
from handlers.sensor.readings import Row
from handlers.sensor.rejects import rejected_rows_object
from handlers.sensor.segment_index import (
    SegmentCounts,
    lines_and_rows_before,
    read_blocks,
    rejects_name,
)
from handlers.sensor.segments import Segment
from handlers.sensor.time_budget import HasRemainingTime
from handlers.sensor.work_area import WorkArea

REJECTED = "rejected/"  # rejected rows with the line numbers of the file


class Store(Protocol):
    """The part of a ReadingStore that `store_segment` needs."""

    def put(self, rows: Sequence[Row]) -> None: ...


class Deadline:
    """When a function stops to take up rows: after two thirds of its time.

    The rest is for the rows that it has taken up, and for an attempt that throttling slows down.
    """

    def __init__(self, context: HasRemainingTime) -> None:
        self._context = context
        self._reserve = context.get_remaining_time_in_millis() // 3

    def has_passed(self) -> bool:
        return self._context.get_remaining_time_in_millis() < self._reserve


def store_segment(
    plan: Plan, segment: Segment, store: Store, deadline: Deadline, *, after_line: int = 0
) -> int | None:
    """Store the readings after a line. Returns the last line that was read; None at the end.

    Only readings that no later row of the file replaces are stored. So each key is stored once,
    with its final value: neither the order of segments nor another attempt changes the result.
    """
    replaced = replaced_lines(plan.work, segment.number)
    for number, block, (rows, places, _) in read_blocks(plan, segment):
        last_line = number + block.count(b"\n") - 1
        if last_line <= after_line:
            continue
        first, end = bisect_left(replaced, number), bisect_right(replaced, last_line)
        if first < end or number <= after_line:
            lines = [number + place for place in places]
            left_out = set(replaced[first:end])
            rows = [
                row
                for row, line in zip(rows, lines, strict=True)
                if line > after_line and line not in left_out
            ]
        store.put(rows)
        if deadline.has_passed():
            return last_line
    return None


def number_rejected_rows(work: WorkArea, segment: int) -> None:
    """Write the rejected rows of a segment with the line numbers of the file."""
    counts = SegmentCounts.read(work, segment)
    if not counts.rejected:
        return
    lines_before, rows_before = lines_and_rows_before(work, segment)
    rows = work.get(rejects_name(segment)).splitlines(keepends=True)
    if counts.starts_with_header and rows_before == 0:
        rows = rows[1:]
    with rejected_rows_object(work.bucket, work.key(f"{REJECTED}{segment:06}.csv")) as numbered:
        for row in rows:
            line, comma, rest = row.partition(b",")
            numbered.write(b"%d%b%b" % (int(line) + lines_before, comma, rest))
