"""Keeps records of a fixed size by partition, only the most recent ones in memory."""

from array import array
from collections.abc import Iterator
from typing import IO

_PAGE_RECORDS = 200


class RecordFile:
    """Records in memory and, if there are many, in a temporary file.

    Writers append whole records to `recent[partition]`, and call `spill` regularly.
    """

    def __init__(self, partitions: int, record: int) -> None:
        self.recent = [bytearray() for _ in range(partitions)]
        self._page = record * _PAGE_RECORDS  # bytes
        self._pages = [array("I") for _ in range(partitions)]  # their numbers in the file
        self._count = 0
        self._file: IO[bytes] | None = None

    def spill(self) -> None:
        """Move full pages from memory to the file."""
        from tempfile import TemporaryFile  # takes 3 ms to import, and few files need it

        size = self._page
        for records, pages in zip(self.recent, self._pages, strict=True):
            while len(records) >= size:
                if self._file is None:
                    self._file = TemporaryFile()  # noqa: SIM115 (closed by `close`)
                self._file.write(records[:size])
                del records[:size]
                pages.append(self._count)
                self._count += 1

    def read(self, partition: int) -> Iterator[bytes]:
        """The records of a partition, in the order in which they were added, a page at a time."""
        for page in self._pages[partition]:
            assert self._file is not None
            self._file.seek(page * self._page)
            yield self._file.read(self._page)
        if recent := self.recent[partition]:
            yield bytes(recent)

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
