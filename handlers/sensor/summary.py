"""The result for a file that was processed in segments."""

from handlers.sensor import duplicates
from handlers.sensor.errors import NoValidReadingsError
from handlers.sensor.ingestion import Ingestion, no_valid_readings_message
from handlers.sensor.parallel import in_parallel
from handlers.sensor.plan import Plan
from handlers.sensor.rejects import HEADING, NUMBERED_ROWS_FOLDER, rejected_rows_object
from handlers.sensor.segment_counts import SegmentCounts
from handlers.shared import clock


def summarise(plan: Plan, target_bucket: str) -> Ingestion:
    """Merge the counts and the rejected rows of all segments: what `ingest` does for a small file.

    Raises NoValidReadingsError, after it has written the rejected rows, and AwsUnavailableError.
    """
    work = plan.work
    rejected_key = f"rejected/{plan.source.key}.csv"
    with rejected_rows_object(target_bucket, rejected_key) as rows:
        for number, (name, size) in enumerate(work.sizes(NUMBERED_ROWS_FOLDER)):
            if number == 0:
                rows.write(HEADING)
            rows.append(work.bucket, work.key(name), size)
    segments = list(
        in_parallel(lambda segment: SegmentCounts.read(work, segment), range(plan.segments))
    )
    with_readings = [segment for segment in segments if segment.readings]
    rejected = sum(segment.rejected for segment in segments)
    first_with_rows = next((segment for segment in segments if segment.rows), None)
    if first_with_rows and first_with_rows.starts_with_header:
        rejected -= 1
    stored, sensors = duplicates.totals(plan)
    if not stored:
        raise NoValidReadingsError(no_valid_readings_message(plan.source, rejected, target_bucket))
    return Ingestion(
        source=plan.source,
        stored=stored,
        duplicates=sum(segment.readings for segment in segments) - stored,
        rejected=rejected,
        rejected_key=rejected_key if rejected else None,
        sensors=sensors,
        first_timestamp=min(segment.first_timestamp for segment in with_readings),
        last_timestamp=max(segment.last_timestamp for segment in with_readings),
        seconds=round(clock.now() - plan.planned_at, 3),
    )
