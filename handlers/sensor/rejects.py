"""Writes the rejected rows of a file to a CSV in S3 while the file is read."""

import csv
import io
from typing import Self

from handlers.sensor.lines import MAX_LINE
from handlers.sensor.object_writer import ObjectWriter

HEADING = b"line,reason,row\n"
# In the work area: the rejected rows of each segment, with the line numbers of the file.
NUMBERED_ROWS_FOLDER = "rejected/"


class RejectedRows:
    """`line,reason,row` for each rejected row; no object if no row is rejected.

    Bytes that are not UTF-8 are written as \\xNN, carriage returns as \\r, so that each row is on
    one line. Rows that are too long are cut. If `with` ends with an exception, no object and no
    unfinished upload remain. Without a `heading` the object is a part of a larger CSV.
    """

    def __init__(self, bucket: str, key: str, *, heading: bytes = HEADING) -> None:
        self.count = 0
        self._heading = heading
        self._object = rejected_rows_object(bucket, key)
        self._line = io.StringIO()
        self._csv = csv.writer(self._line, lineterminator="\n")

    def add(self, line: int, reason: str, row: bytes) -> None:
        if self.count == 0:
            self._object.write(self._heading)
        self.count += 1
        text = row[:MAX_LINE].decode(errors="backslashreplace").replace("\r", "\\r")
        self._csv.writerow((line, reason, text))
        self._object.write(self._line.getvalue().encode())
        self._line.seek(0)
        self._line.truncate()

    def __enter__(self) -> Self:
        self._object.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._object.__exit__(kind, error, trace)


def rejected_rows_object(bucket: str, key: str) -> ObjectWriter:
    """A writer for an object of rejected rows."""
    return ObjectWriter(
        bucket, key, content_type="text/csv; charset=utf-8", description="rejected rows"
    )


def rejects_name(segment: int) -> str:
    """In the work area: rejected rows without a heading, with the segment's own line numbers."""
    return f"rejects/{segment:06}.csv"
