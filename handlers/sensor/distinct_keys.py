"""Counts the distinct readings of a file, exactly and in bounded memory."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import IO

from handlers.sensor.row import Row

_MAX_IN_MEMORY = 16_384  # keys; they take about 2 MB
_PARTITIONS = 64  # a million keys give partitions of about 16,000, which fit into memory


class DistinctKeys:
    """The distinct (sensor, timestamp) keys of a file."""

    def __init__(self) -> None:
        self._rows = self._counted_rows = self._count = 0
        self._keys = DistinctCount()
        self._sensors = DistinctCount()
        self._times: tuple[int, int] | None = None

    def add(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self._rows += len(rows)
        self._keys.add(map(itemgetter(0), rows))
        self._sensors.add(set(map(itemgetter(1), rows)))
        times = [*map(int, map(itemgetter(2), rows)), *(self._times or ())]
        self._times = min(times), max(times)

    @property
    def count(self) -> int:
        if self._counted_rows != self._rows:
            self._counted_rows, self._count = self._rows, self._keys.count()
        return self._count

    @property
    def duplicates(self) -> int:
        """Rows that repeat a key."""
        return self._rows - self.count

    @property
    def sensors(self) -> int:
        return self._sensors.count()

    @property
    def first_timestamp(self) -> int:
        return self._range()[0]

    @property
    def last_timestamp(self) -> int:
        return self._range()[1]

    def _range(self) -> tuple[int, int]:
        if self._times is None:
            raise ValueError("There are no readings.")
        return self._times

    def close(self) -> None:
        """Remove the temporary files."""
        self._keys.close()
        self._sensors.close()


class DistinctCount:
    """Counts distinct byte strings without LF.

    When there are too many for memory, they go to a temporary file, in partitions by their hash.
    Each partition is then counted on its own.
    """

    def __init__(self, max_in_memory: int = _MAX_IN_MEMORY, partitions: int = _PARTITIONS) -> None:
        self._recent: set[bytes] = set()
        self._max_in_memory = max_in_memory
        self._extents: list[list[tuple[int, int]]] = [[] for _ in range(partitions)]
        self._file: IO[bytes] | None = None

    def add(self, keys: Iterable[bytes]) -> None:
        self._recent.update(keys)
        if len(self._recent) >= self._max_in_memory:
            self._spill()

    def count(self) -> int:
        if self._file is None:
            return len(self._recent)
        self._spill()
        return sum(map(self._count_partition, self._extents))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        from tempfile import TemporaryFile  # takes 3 ms to import, and few files need it

        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 (closed by `close`)
        partitions: list[list[bytes]] = [[] for _ in self._extents]
        number = len(partitions)
        for key in self._recent:
            partitions[hash(key) % number].append(key)
        self._recent.clear()
        for extents, keys in zip(self._extents, partitions, strict=True):
            if keys:
                written = self._file.write(b"\n".join(keys))
                extents.append((self._file.tell() - written, written))

    def _count_partition(self, extents: list[tuple[int, int]]) -> int:
        assert self._file is not None
        keys: set[bytes] = set()
        for start, length in extents:
            self._file.seek(start)
            keys.update(self._file.read(length).split(b"\n"))
        return len(keys)
