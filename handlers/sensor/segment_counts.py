"""The counts of a segment, in the work area."""

from dataclasses import asdict, dataclass
from typing import Self

from handlers.sensor.work_area import WorkArea

_LINE_COUNTS = "line-counts/"


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

    def write(self, work: WorkArea, segment: int) -> None:
        work.put(_line_counts_name(segment, self.lines, self.rows), b"")
        work.put_json(_counts_name(segment), asdict(self))

    @classmethod
    def read(cls, work: WorkArea, segment: int) -> Self:
        return cls(**work.get_json(_counts_name(segment)))


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


def _line_counts_name(segment: int, lines: int, rows: int) -> str:
    """The name alone has the counts: a list of names costs less than reading as many objects."""
    return f"{_LINE_COUNTS}{segment:06}-{lines}-{rows}"


def _counts_name(segment: int) -> str:
    return f"counts/{segment:06}.json"
