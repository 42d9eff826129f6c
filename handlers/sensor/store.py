"""Writes readings to their DynamoDB table."""

import json
from typing import Any

from handlers.sensor.time_budget import TimeBudget
from handlers.shared.aws_http.batch_writer import BatchWriter

# A template for the elements of a Row. The first and the last one are not attributes, so they are
# formatted as no bytes (%.0b).
_ITEM = b'%.0b{"sensor_id":{"S":"%b"},"timestamp":{"N":"%b"},"value":{"N":"%b"}}%.0b'


class ReadingStore(BatchWriter):
    """Writes rows of readings to a table, as BatchWriter describes.

    Raises IngestionTimeoutError if DynamoDB throttles for longer than the time budget.
    """

    def __init__(self, table: str, time_budget: TimeBudget, **options: Any) -> None:
        super().__init__(table, _ITEM, _key, time_budget.check, **options)


def _key(item: dict[str, Any]) -> bytes:
    """The first value of a Row, from its item."""
    sensor_id = json.dumps(item["sensor_id"]["S"])[1:-1].encode()
    return b"%b,%d" % (sensor_id, int(item["timestamp"]["N"]))
