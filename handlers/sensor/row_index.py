"""The index of a segment: the key of each reading as a hash, divided into partitions by hash.

Two readings have the same key if their hashes are equal. With hashes of 128 bits, the probability
that two of 10¹² keys have the same one is 10⁻¹⁵.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from handlers.sensor.readings import Row

HASH = 16  # bytes
_LINE = 4  # bytes
RECORD = HASH + _LINE
_OFFSET = 8  # bytes
_SENSOR = bytes(_LINE)  # instead of a line number: the hash is that of a sensor


class RowIndex:
    """Collects the index of a segment in memory: 20 bytes per reading and per sensor."""

    def __init__(self, partitions: int) -> None:
        self._partitions = [bytearray() for _ in range(partitions)]
        self._sensors: set[bytes] = set()

    def add(self, rows: Iterable[Row], lines: Iterable[int]) -> None:
        """Add readings and the numbers of their lines, in the order of the file."""
        add, sensors = self._add, self._sensors
        for row, line in zip(rows, lines, strict=True):
            key, sensor_id = row[:2]
            add(key, line.to_bytes(_LINE))
            if sensor_id not in sensors:
                sensors.add(sensor_id)
                add(sensor_id, _SENSOR)

    def _add(self, text: bytes, line: bytes) -> None:
        digest = blake2b(text, digest_size=HASH).digest()
        partition = int.from_bytes(digest[:4]) * len(self._partitions) >> 32
        self._partitions[partition] += digest + line

    def parts(self) -> Iterator[bytes | bytearray]:
        """The index as it is stored: the offsets of the partitions, then their records."""
        offset = _OFFSET * (len(self._partitions) + 1)
        offsets = bytearray(offset.to_bytes(_OFFSET))
        for partition in self._partitions:
            offset += len(partition)
            offsets += offset.to_bytes(_OFFSET)
        yield offsets
        yield from self._partitions


def offsets_range(partition: int) -> tuple[int, int]:
    """The bytes of an index that contain the offsets of a partition."""
    return _OFFSET * partition, _OFFSET * (partition + 2)


def parse_offsets(content: bytes) -> tuple[int, int]:
    """The bytes of an index that contain the records of a partition."""
    return int.from_bytes(content[:_OFFSET]), int.from_bytes(content[_OFFSET:])


class PartitionReader:
    """Finds the readings of a partition that a later reading replaces.

    The segments are added from the last to the first.
    """

    def __init__(self, passes: int = 1, number: int = 0) -> None:
        """With several passes, only every such part of the keys is looked at, to save memory."""
        self._passes = passes
        self._number = number
        self._keys: set[bytes] = set()
        self._sensors: set[bytes] = set()

    def add(self, records: bytes) -> bytes:
        """Add the records of a segment. Returns the lines, 4 bytes each, that are replaced."""
        replaced = bytearray()
        keys, sensors = self._keys, self._sensors
        passes, number = self._passes, self._number
        for start in range(len(records) - RECORD, -1, -RECORD):
            digest = records[start : start + HASH]
            if passes > 1 and digest[-1] % passes != number:
                continue
            line = records[start + HASH : start + RECORD]
            if line == _SENSOR:
                sensors.add(digest)
            elif digest in keys:
                replaced += line
            else:
                keys.add(digest)
        return bytes(replaced)

    @property
    def readings(self) -> int:
        return len(self._keys)

    @property
    def sensors(self) -> int:
        return len(self._sensors)


def parse_lines(content: bytes) -> list[int]:
    """The line numbers that `PartitionReader.add` has returned."""
    return [
        int.from_bytes(content[start : start + _LINE]) for start in range(0, len(content), _LINE)
    ]
