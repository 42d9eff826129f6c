"""The second pass over a segment: stores the readings that no later row replaces."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from handlers.sensor.duplicates import replaced_lines
from handlers.sensor.plan import Plan
from handlers.sensor.rejects import NUMBERED_ROWS_FOLDER, rejected_rows_object, rejects_name
from handlers.sensor.row import Row
from handlers.sensor.segment_counts import SegmentCounts, lines_and_rows_before
from handlers.sensor.segment_index import read_blocks
from handlers.sensor.segments import Segment
from handlers.sensor.time_budget import HasRemainingTime
from handlers.sensor.work_area import WorkArea


class Store(Protocol):
    """The part of a ReadingStore that `store_segment` needs."""

    def put(self, rows: Sequence[Row]) -> None: ...


class Deadline:
    """The time at which a function stops reading rows: after two thirds of its time.

    The last third is for writing the rows that it has read, which throttling may slow down.
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
        if number <= after_line or replaced.may_have(number, last_line):
            rows = [
                row
                for row, place in zip(rows, places, strict=True)
                if (line := number + place) > after_line and line not in replaced
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
    rows = _lines(work.read(rejects_name(segment)))
    if counts.starts_with_header and rows_before == 0:
        next(rows)
    with rejected_rows_object(
        work.bucket, work.key(f"{NUMBERED_ROWS_FOLDER}{segment:06}.csv")
    ) as numbered:
        for row in rows:
            line, comma, rest = row.partition(b",")
            numbered.write(b"%d%b%b\n" % (int(line) + lines_before, comma, rest))


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of any length, without the LF that ends each."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
