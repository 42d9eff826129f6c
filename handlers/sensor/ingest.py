"""Stores the readings of a file in the table."""

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from handlers.sensor.deadline import Deadline
from handlers.sensor.errors import NoValidReadingsError
from handlers.sensor.lines import numbered_lines
from handlers.sensor.readings import Reading, names_columns, parse
from handlers.sensor.rejects import RejectedRows
from handlers.sensor.seen import SeenKeys
from handlers.sensor.source import ObjectRef, open_source
from handlers.sensor.store import ReadingStore
from handlers.shared.clients import client


@dataclass(frozen=True)
class Ingestion:
    """The result for a file, and the exact object that was read."""

    source: ObjectRef
    stored: int  # distinct (sensor, timestamp) keys
    duplicates: int  # rows that repeat a key of the same file
    rejected: int
    rejected_key: str | None
    sensors: int
    first_timestamp: int
    last_timestamp: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        optional = {"rejectedKey": self.rejected_key, "versionId": self.source.version_id}
        return {
            "stored": self.stored,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "sensors": self.sensors,
            "firstTimestamp": self.first_timestamp,
            "lastTimestamp": self.last_timestamp,
            "seconds": self.seconds,
            "etag": self.source.etag,
        } | {name: value for name, value in optional.items() if value}


def ingest(source: ObjectRef, *, table: str, target_bucket: str, deadline: Deadline) -> Ingestion:
    """Store the readings of a file; rejected rows go to `rejected/<key>.csv`.

    Safe to repeat: storing a file again leaves the table unchanged. Of two rows with the same
    sensor and timestamp, the later one stays. Raises the errors of `open_source`,
    NoValidReadingsError (after it has written the rejected rows), IngestionTimeoutError and
    AwsUnavailableError.
    """
    started = time.perf_counter()
    source, content = open_source(source)
    rejected_key = f"rejected/{source.key}.csv"
    seen = SeenKeys()
    # Throttling can last long, so the store has its own retries.
    dynamodb = client("dynamodb", bulk=True)
    with (
        closing(content) as chunks,
        RejectedRows(target_bucket, rejected_key) as rejects,
        ReadingStore(dynamodb, table, deadline) as store,
    ):
        first = True
        for number, line in numbered_lines(chunks):
            row = parse(line)
            if isinstance(row, Reading):
                store.put(row)
                seen.add(row.sensor_id, row.timestamp)
            elif row is None:
                continue
            elif not (first and names_columns(line)):
                rejects.add(number, row.reason, line)
                deadline.check()
            first = False
    if not seen.keys:
        raise NoValidReadingsError(_nothing_valid(source, rejects.count, target_bucket))
    return Ingestion(
        source=source,
        stored=seen.keys,
        duplicates=seen.duplicates,
        rejected=rejects.count,
        rejected_key=rejected_key if rejects.count else None,
        sensors=seen.sensors,
        first_timestamp=seen.first_timestamp,
        last_timestamp=seen.last_timestamp,
        seconds=round(time.perf_counter() - started, 3),
    )


def _nothing_valid(source: ObjectRef, rejected: int, target_bucket: str) -> str:
    if not rejected:
        return f"{source.uri} has no rows."
    rows = "row was" if rejected == 1 else "rows were"
    return (
        f"{source.uri} has no valid reading: {rejected} {rows} rejected, see "
        f"s3://{target_bucket}/rejected/{source.key}.csv."
    )
