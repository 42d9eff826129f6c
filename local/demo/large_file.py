"""The scene of a large file, which many functions process at once (`make demo LARGE=1`)."""

import json
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from local.aws import Aws
from local.demo import progress, sensor
from local.demo.progress import took
from local.demo.sensor import Upload, expect
from local.demo.summary import Summary

TITLE = "sensor: a file of a million rows is processed in segments"
ROWS = 1_000_000
SENSORS = 100
SCENE_SECONDS = 1800
PHASES = ["Index Segments", "Reconcile Duplicates", "Process Segments"]


@dataclass
class LargeUpload(Upload):
    """An upload, with the counts of child executions of each distributed Map."""

    children: list[dict[str, Any]] = field(default_factory=list)


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    upload = large_file(f"demo-{time.time():.0f}/large.csv", ROWS)
    bucket = aws.outputs["SensorSourceBucket"]
    size = len(upload.body) / 1_000_000
    console.print(f"Uploading s3://{bucket}/{upload.key} ({ROWS:,} rows, {size:.0f} MB)")
    aws.client("s3").put_object(Bucket=bucket, Key=upload.key, Body=upload.body)

    def refresh(unfinished: Iterable[LargeUpload]) -> None:
        for one in unfinished:
            sensor.refresh(aws, one)
            if one.execution:
                one.children = children(aws, one.execution["executionArn"])

    progress.watch(console, [upload], refresh, counts, seconds=SCENE_SECONDS)
    sensor.check(aws, upload)
    ingestion = json.loads(upload.execution["output"])["ingestion"]
    expect(
        (ingestion["stored"], ingestion["duplicates"])
        == (len(upload.readings), ROWS - upload.rejected - len(upload.readings)),
        f"{upload.key} has other counts: {ingestion}",
    )
    segments = upload.children[-1]["executionCounts"]["total"]
    return Summary(
        f"{ROWS:,} rows in {segments} segments: {ingestion['stored']:,} readings stored, "
        f"{ingestion['duplicates']:,} replaced by later rows",
        "SensorReadingsTable, SensorTargetBucket",
    )


def large_file(key: str, rows: int) -> LargeUpload:
    """Rows of a hundred sensors. One in fifty has a key that occurs again, anywhere in the file."""
    rng = random.Random(rows)
    prefix = key.partition("/")[0]
    lines, readings, rejected = ["sensor,timestamp,value"], {}, 0
    for number in range(rows):
        sensor_id, seconds = f"{prefix}-{number % SENSORS:03d}", 1_483_906_366 + number // SENSORS
        if number % 50 == 49:
            seconds = 1_483_906_366 + rng.randrange(rows // SENSORS)
        if number % 10_000 == 9_999:
            lines.append(f"{sensor_id},{seconds},broken")
            rejected += 1
            continue
        value = Decimal(rng.randrange(-5_000, 35_000)) / 100
        lines.append(f"{sensor_id},{seconds},{value}")
        readings[sensor_id, seconds] = value
    return LargeUpload(key, "\n".join(lines).encode() + b"\n", readings, rejected)


def children(aws: Aws, execution_arn: str) -> list[dict[str, Any]]:
    """The Map Runs of an execution, in the order of their states."""
    states = aws.client("stepfunctions")
    runs = states.list_map_runs(executionArn=execution_arn)["mapRuns"]
    described = (states.describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs)
    return sorted(described, key=lambda run: run["startDate"])


def counts(uploads: Iterable[LargeUpload]) -> Table:
    table = Table("file", *PHASES, "took", box=box.SIMPLE)
    for upload in uploads:
        done = [run["executionCounts"] for run in upload.children]
        cells = [f"{count['succeeded']} of {count['total']}" for count in done]
        cells += [""] * (len(PHASES) - len(cells))
        table.add_row(upload.name, *cells, took(upload.execution))
    return table
