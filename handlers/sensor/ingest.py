"""Stores the readings of a file in the table."""

import time
from contextlib import closing

from handlers.sensor.distinct_keys import DistinctKeys
from handlers.sensor.errors import NoValidReadingsError
from handlers.sensor.ingestion import Ingestion, no_valid_readings_message
from handlers.sensor.lines import numbered_blocks
from handlers.sensor.readings import BlockParser
from handlers.sensor.rejects import RejectedRows
from handlers.sensor.source import ObjectRef, open_source
from handlers.sensor.store import ReadingStore
from handlers.sensor.time_budget import TimeBudget


def ingest(
    source: ObjectRef, *, table: str, target_bucket: str, time_budget: TimeBudget
) -> Ingestion:
    """Store the readings of a file; rejected rows go to `rejected/<key>.csv`.

    Safe to repeat: storing a file again leaves the table unchanged. Of two rows with the same
    sensor and timestamp, the later one stays. Raises the errors of `open_source`,
    NoValidReadingsError (after it has written the rejected rows), IngestionTimeoutError and
    AwsUnavailableError.
    """
    started = time.perf_counter()
    source, content = open_source(source)
    rejected_key = f"rejected/{source.key}.csv"
    with closing(DistinctKeys()) as keys:
        with (
            closing(content) as chunks,
            RejectedRows(target_bucket, rejected_key) as rejects,
            ReadingStore(table, time_budget) as store,
        ):
            parser = BlockParser()
            for number, block in numbered_blocks(chunks):
                time_budget.check()
                rows, _, rejected = parser.parse(block)
                store.put(rows)
                keys.add(rows)
                for place, reason, line in rejected:
                    rejects.add(number + place, reason, line)
        if not keys.count:
            raise NoValidReadingsError(
                no_valid_readings_message(source, rejects.count, target_bucket)
            )
        return Ingestion(
            source=source,
            stored=keys.count,
            duplicates=keys.duplicates,
            rejected=rejects.count,
            rejected_key=rejected_key if rejects.count else None,
            sensors=keys.sensors,
            first_timestamp=keys.first_timestamp,
            last_timestamp=keys.last_timestamp,
            seconds=round(time.perf_counter() - started, 3),
        )
