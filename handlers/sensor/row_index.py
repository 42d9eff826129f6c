"""The index of a segment: the key of each reading as a hash, divided into partitions by hash.

Two readings have the same key if their hashes are equal. With hashes of 128 bits, the probability
that two of 10¹² keys have the same one is 10⁻¹⁵.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from handlers.sensor.record_file import RecordFile
from handlers.sensor.row import Row

HASH = 16  # bytes
_LINE = 4  # bytes
RECORD = HASH + _LINE
_OFFSET = 8  # bytes
_SENSOR = bytes(_LINE)  # in place of a line number: the record is the hash of a sensor id
_SEGMENT = 4  # bytes
_MAX_SENSORS = 16_384  # in memory; about 2 MB
_MAX_GROUPS = 256
_BUCKETS = 256  # one for each value of a byte


class RowIndex:
    """Collects the index of a segment: 20 bytes per reading and about as many per sensor.

    Most of it is in a temporary file, where the records of several partitions form a group. At the
    end, `parts` reads one group after the other and divides it into its partitions.
    """

    def __init__(self, partitions: int) -> None:
        self._lengths = [0] * partitions
        groups = min(partitions, _MAX_GROUPS)
        self._group_of = [number * groups // partitions for number in range(partitions)]
        self._file = RecordFile(groups, RECORD)
        self._recent = [self._file.recent[group] for group in self._group_of]
        self._sensors: set[bytes] = set()

    def add(self, rows: Iterable[Row], lines: Iterable[int]) -> None:
        """Add readings and the numbers of their lines, in the order of the file."""
        add, sensors = self._add, self._sensors
        for row, line in zip(rows, lines, strict=True):
            key, sensor_id = row[:2]
            add(key, line.to_bytes(_LINE))
            if sensor_id not in sensors:
                if len(sensors) == _MAX_SENSORS:
                    sensors.clear()  # some are recorded again, which changes no result
                sensors.add(sensor_id)
                add(sensor_id, _SENSOR)
        self._file.spill()

    def _add(self, text: bytes, line: bytes) -> None:
        digest = blake2b(text, digest_size=HASH).digest()
        partition = int.from_bytes(digest[:4]) * len(self._recent) >> 32
        self._recent[partition] += digest + line
        self._lengths[partition] += RECORD

    def parts(self) -> Iterator[bytes | bytearray]:
        """The index as it is stored: the offsets of the partitions, then their records."""
        offset = _OFFSET * (len(self._lengths) + 1)
        offsets = bytearray(offset.to_bytes(_OFFSET))
        for length in self._lengths:
            offset += length
            offsets += offset.to_bytes(_OFFSET)
        yield offsets
        for group in range(len(self._file.recent)):
            members = self._group_of.count(group)
            yield from self._file.read(group) if members == 1 else self._divided(group)

    def _divided(self, group: int) -> Iterator[bytearray]:
        """The records of each partition of a group."""
        first, partitions = self._group_of.index(group), self._group_of.count(group)
        divided = [bytearray() for _ in range(partitions)]
        for page in self._file.read(group):
            for start in range(0, len(page), RECORD):
                partition = int.from_bytes(page[start : start + 4]) * len(self._recent) >> 32
                divided[partition - first] += page[start : start + RECORD]
        yield from divided

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


def index_name(segment: int) -> str:
    return f"index/{segment:06}"


def offsets_range(partition: int) -> tuple[int, int]:
    """The bytes of an index that contain the offsets of a partition."""
    return _OFFSET * partition, _OFFSET * (partition + 2)


def parse_offsets(content: bytes) -> tuple[int, int]:
    """The bytes of an index that contain the records of a partition."""
    return int.from_bytes(content[:_OFFSET]), int.from_bytes(content[_OFFSET:])


class PartitionIndex:
    """The records of a partition from all segments, to find readings that a later one replaces.

    They are added from the end of the file to its start. They are in a temporary file, divided into
    buckets by the last byte of their hash, so that only a 256th of the keys is in memory at once.
    """

    def __init__(self) -> None:
        self._file = RecordFile(_BUCKETS, _SEGMENT + RECORD)
        self.readings = 0  # different keys, counted by `replaced`
        self.sensors = 0  # different sensors, counted by `replaced`

    def add(self, segment: int, records: bytes) -> None:
        """Add records of a segment."""
        recent, segment_number = self._file.recent, segment.to_bytes(_SEGMENT)
        for start in range(len(records) - RECORD, -1, -RECORD):
            record = records[start : start + RECORD]
            recent[record[HASH - 1]] += record + segment_number
        self._file.spill()

    def replaced(self) -> dict[int, bytearray]:
        """The lines that are replaced, 4 bytes each, by segment."""
        found: dict[int, bytearray] = {}
        for bucket in range(_BUCKETS):
            self._find_replaced(bucket, found)
        return found

    def _find_replaced(self, bucket: int, found: dict[int, bytearray]) -> None:
        keys: set[bytes] = set()
        sensors: set[bytes] = set()
        size = RECORD + _SEGMENT
        for page in self._file.read(bucket):
            for start in range(0, len(page), size):
                digest = page[start : start + HASH]
                line = page[start + HASH : start + RECORD]
                if line == _SENSOR:
                    sensors.add(digest)
                elif digest in keys:
                    segment = int.from_bytes(page[start + RECORD : start + size])
                    found.setdefault(segment, bytearray()).extend(line)
                else:
                    keys.add(digest)
        self.readings += len(keys)
        self.sensors += len(sensors)

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


class LineSet:
    """A set of line numbers, with one bit for each line up to the last one in it."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, lines: bytes) -> None:
        """Add lines as `PartitionIndex.replaced` returns them."""
        bits = self._bits
        for start in range(0, len(lines), _LINE):
            line = int.from_bytes(lines[start : start + _LINE])
            if (missing := (line >> 3) + 1 - len(bits)) > 0:
                bits += bytes(missing)
            bits[line >> 3] |= 1 << (line & 7)

    def __contains__(self, line: int) -> bool:
        place = line >> 3
        return place < len(self._bits) and bool(self._bits[place] >> (line & 7) & 1)

    def may_have(self, first: int, last: int) -> bool:
        """Whether a line from `first` to `last` may be in the set; if False, none is."""
        return any(self._bits[first >> 3 : (last >> 3) + 1])
