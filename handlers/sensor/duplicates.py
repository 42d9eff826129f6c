"""Finds the readings that a later row of the file replaces, one partition of the keys at a time."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from handlers.sensor.parallel import in_parallel
from handlers.sensor.plan import Plan
from handlers.sensor.row_index import (
    RECORD,
    LineSet,
    PartitionIndex,
    index_name,
    offsets_range,
    parse_offsets,
)
from handlers.sensor.work_area import WorkArea

_CHUNK = 10_000 * RECORD  # bytes that one request reads


def reconcile_partition(plan: Plan, partition: int) -> None:
    """Write for each segment which of its lines are replaced, and count the different keys.

    A reading is replaced if a later line of the same or a later segment has the same key. So of all
    rows with one key, exactly one is not replaced: the last one.
    """
    work = plan.work
    with closing(PartitionIndex()) as index:
        for segment, records in _records(work, plan.segments, partition):
            index.add(segment, records)
        for segment, lines in index.replaced().items():
            work.put(_replaced_name(segment, partition), lines)
        counts = {"readings": index.readings, "sensors": index.sensors}
    work.put_json(_totals_name(partition), counts)


def replaced_lines(work: WorkArea, segment: int) -> LineSet:
    """The lines of a segment that are replaced, from all partitions."""
    chunks = (
        (name, start, stop)
        for name, size in work.sizes(_replaced_folder(segment))
        for start, stop in _from_the_end(0, size)
    )
    found = LineSet()
    for lines in in_parallel(lambda chunk: work.get(chunk[0], chunk[1:]), chunks):
        found.add(lines)
    return found


def totals(plan: Plan) -> tuple[int, int]:
    """The number of different keys and of different sensors in the whole file."""
    readings = sensors = 0
    for counts in in_parallel(plan.work.get_json, map(_totals_name, range(plan.partitions))):
        readings += counts["readings"]
        sensors += counts["sensors"]
    return readings, sensors


def _records(work: WorkArea, segments: int, partition: int) -> Iterator[tuple[int, bytes]]:
    """The records of a partition in chunks, from the last one of the file to the first."""

    def offsets(segment: int) -> tuple[int, int, int]:
        content = work.get(index_name(segment), offsets_range(partition))
        return segment, *parse_offsets(content)

    def read(chunk: tuple[int, int, int]) -> tuple[int, bytes]:
        segment, start, stop = chunk
        return segment, work.get(index_name(segment), (start, stop))

    found = in_parallel(offsets, reversed(range(segments)))
    return in_parallel(
        read,
        (
            (segment, *chunk)
            for segment, start, stop in found
            for chunk in _from_the_end(start, stop)
        ),
    )


def _from_the_end(start: int, stop: int) -> Iterable[tuple[int, int]]:
    """Divides bytes into chunks, from the last to the first."""
    return ((max(start, end - _CHUNK), end) for end in range(stop, start, -_CHUNK))


def _replaced_folder(segment: int) -> str:
    return f"replaced/{segment:06}/"


def _replaced_name(segment: int, partition: int) -> str:
    return f"{_replaced_folder(segment)}{partition:06}"


def _totals_name(partition: int) -> str:
    return f"totals/{partition:06}.json"
