"""The result for a file that was processed, in one piece or in segments."""

from dataclasses import dataclass
from typing import Any

from handlers.sensor.source import ObjectRef


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


def no_valid_readings_message(source: ObjectRef, rejected: int, target_bucket: str) -> str:
    """Why a file without a valid reading failed."""
    if not rejected:
        return f"{source.uri} has no rows."
    rows = "row was" if rejected == 1 else "rows were"
    return (
        f"{source.uri} has no valid reading: {rejected} {rows} rejected, see "
        f"s3://{target_bucket}/rejected/{source.key}.csv."
    )
