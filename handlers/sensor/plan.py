"""The plan of an ingestion: whether a file is divided into segments, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

from handlers.sensor.segments import MAX_SEGMENTS, divide
from handlers.sensor.source import ObjectRef, head_source
from handlers.sensor.work_area import WorkArea
from handlers.shared import clock
from handlers.shared.events import field

# A segment of 32 MiB and a partition of 128 MiB have about one and four million readings.
SEGMENTS_PER_PARTITION = 4
MAX_PARTITIONS = MAX_SEGMENTS

# In the work area: the lists from which the distributed Maps start their child executions.
SEGMENT_LIST, PARTITION_LIST = "segments.json", "partitions.json"


@dataclass(frozen=True)
class Plan:
    """How a large file is processed. The states pass it to each other in the form of `as_dict`.

    `bucket` and `prefix` are those of the work area. `planned_at` is in seconds since 1970.
    """

    source: ObjectRef
    size: int
    segments: int
    partitions: int
    bucket: str
    prefix: str
    planned_at: float

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """The plan that is the `plan` of an event."""
        plan = field(event, "plan")
        return cls(
            source=ObjectRef.from_event(plan),
            size=field(plan, "size"),
            segments=field(plan, "segments"),
            partitions=field(plan, "partitions"),
            bucket=field(plan, "bucket"),
            prefix=field(plan, "prefix"),
            planned_at=field(plan, "plannedAt"),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "segmented": True,
            "source": self.source.as_dict(),
            "size": self.size,
            "segments": self.segments,
            "partitions": self.partitions,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "plannedAt": self.planned_at,
            "segmentList": f"{self.prefix}{SEGMENT_LIST}",
            "partitionList": f"{self.prefix}{PARTITION_LIST}",
        }

    @property
    def work(self) -> WorkArea:
        return WorkArea(self.bucket, self.prefix)


def plan_ingestion(
    source: ObjectRef, *, execution: str, bucket: str, large_file_bytes: int, segment_bytes: int
) -> dict[str, Any]:
    """Plan how a file is processed; for a large file, write the lists of segments and partitions.

    The plan of a small file only says that it is not segmented. The time this takes does not depend
    on what is in the file. Raises the errors of `open_source`.
    """
    source, size = head_source(source)
    if size <= large_file_bytes:
        return {"segmented": False, "size": size}
    segments = divide(size, segment_bytes)
    partitions = min(MAX_PARTITIONS, ceil(size / (SEGMENTS_PER_PARTITION * segment_bytes)))
    # Another attempt may find another file or setting. It must not mix its objects with these.
    prefix = f"{execution.rpartition(':')[2]}/{source.etag}-{segment_bytes}/"
    plan = Plan(
        source=source,
        size=size,
        segments=len(segments),
        partitions=partitions,
        bucket=bucket,
        prefix=prefix,
        planned_at=round(clock.now(), 3),
    )
    plan.work.put_json(SEGMENT_LIST, [segment.as_dict() for segment in segments])
    plan.work.put_json(PARTITION_LIST, [{"number": number} for number in range(partitions)])
    return plan.as_dict()
