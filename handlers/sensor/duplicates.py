"""Finds the readings that a later row of the file replaces, one partition of the keys at a time."""

from collections.abc import Iterator

from handlers.sensor.plan import Plan
from handlers.sensor.row_index import PartitionReader, offsets_range, parse_lines, parse_offsets
from handlers.sensor.segment_index import index_name
from handlers.sensor.work_area import WorkArea, in_parallel


def reconcile_partition(plan: Plan, partition: int) -> None:
    """Write for each segment which of its lines are replaced, and count the different keys.

    A reading is replaced if a later line of the same or a later segment has the same key. So of all
    rows with one key, exactly one is not replaced: the last one.
    """
    work = plan.work
    readings = sensors = 0
    replaced: dict[int, bytes] = {}
    for number in range(plan.passes):
        reader = PartitionReader(plan.passes, number)
        for segment, records in _records(work, plan.segments, partition):
            if lines := reader.add(records):
                replaced[segment] = replaced.get(segment, b"") + lines
        readings += reader.readings
        sensors += reader.sensors
    for segment, lines in replaced.items():
        work.put(_replaced_name(segment, partition), lines)
    work.put_json(_totals_name(partition), {"readings": readings, "sensors": sensors})


def replaced_lines(work: WorkArea, segment: int) -> list[int]:
    """The lines of a segment that are replaced, in order, from all partitions."""
    names = [name for name, _ in work.sizes(_replaced_folder(segment))]
    found = (line for content in in_parallel(work.get, names) for line in parse_lines(content))
    return sorted(found)


def totals(plan: Plan) -> tuple[int, int]:
    """The number of different keys and of different sensors in the whole file."""
    counted = list(in_parallel(plan.work.get_json, map(_totals_name, range(plan.partitions))))
    return sum(one["readings"] for one in counted), sum(one["sensors"] for one in counted)


def _records(work: WorkArea, segments: int, partition: int) -> Iterator[tuple[int, bytes]]:
    """The records of a partition, from the last segment to the first."""

    def read(segment: int) -> tuple[int, bytes]:
        name = index_name(segment)
        start, stop = parse_offsets(work.get(name, *offsets_range(partition)))
        return segment, work.get(name, start, stop) if start < stop else b""

    return in_parallel(read, reversed(range(segments)))


def _replaced_folder(segment: int) -> str:
    return f"replaced/{segment:06}/"


def _replaced_name(segment: int, partition: int) -> str:
    return f"{_replaced_folder(segment)}{partition:06}"


def _totals_name(partition: int) -> str:
    return f"totals/{partition:06}.json"
