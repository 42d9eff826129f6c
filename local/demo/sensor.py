"""The sensor scene: CSV files are uploaded, and their executions are shown."""

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
from local.demo import progress
from local.demo.progress import has_ended, took
from local.demo.summary import Summary
from local.errors import LocalError
from local.settings import ROOT

TITLE = "sensor: a CSV uploaded to S3 is stored, moved and reported by mail"
SAMPLE = ROOT / "events" / "sensor" / "sensor_sample.csv"
BIG_FILE_ROWS = 50_000
SCENE_SECONDS = 240
STATES = [
    *("Plan Ingestion", "Process File", "Move File", "Wait 10 Minutes", "Send Email"),
    *("Quarantine File", "Send Failure Email"),
]
STATES_AFTER_FAILURE = {  # if one of these states was entered, the state before it failed
    *("Quarantine File", "Send Move Failure Email", "Email Not Sent", "Email Outcome Unknown"),
}


@dataclass
class Upload:
    """A file, its expected outcome, and its state so far."""

    key: str
    body: bytes
    readings: dict[tuple[str, int], Decimal]  # expected content of the table afterwards
    rejected: int = 0
    execution: dict[str, Any] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def ended(self) -> bool:
        return has_ended(self.execution)


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    folder = f"demo-{time.time():.0f}"  # the demo may run again on the same stack
    uploads = [sample(f"{folder}/sample.csv"), Upload(f"{folder}/empty.csv", b"", {})]
    if not quick:
        uploads.insert(1, big_file(f"{folder}/big.csv"))
    bucket = aws.outputs["SensorSourceBucket"]
    for upload in uploads:
        lines = upload.body.count(b"\n")
        console.print(f"Uploading s3://{bucket}/{upload.key} ({lines:,} lines)", soft_wrap=True)
        aws.client("s3").put_object(Bucket=bucket, Key=upload.key, Body=upload.body)
    watch(aws, console, uploads)
    results = Table(box=box.SIMPLE)
    for heading in ("file", "ended", "stored", "rejected", "now in", "mail", "took"):
        results.add_column(heading, overflow="fold")
    for upload in uploads:
        results.add_row(*check(aws, upload))
    console.print(results)
    stored, rejected = (
        sum(len(upload.readings) for upload in uploads),
        sum(upload.rejected for upload in uploads),
    )
    return Summary(
        f"{len(uploads)} files: {stored:,} readings stored, {rejected} rows rejected, an empty "
        "file refused; each file moved and reported by mail",
        "SensorReadingsTable, SensorTargetBucket",
    )


def sample(key: str) -> Upload:
    """The eight rows of the sample. The last one replaces the first."""
    rows = [line.split(",") for line in SAMPLE.read_text().split()]
    readings = {(sensor, int(seconds)): Decimal(value) for sensor, seconds, value in rows}
    return Upload(key, SAMPLE.read_bytes(), readings)


def big_file(key: str) -> Upload:
    """Fifty thousand rows of a hundred sensors. Every thousandth row is invalid."""
    rng = random.Random(50_000)
    lines, readings = [], {}
    for number in range(BIG_FILE_ROWS):
        sensor, seconds = f"demo-{number % 100:04d}", 1_483_906_366 + number // 100
        if number % 1000 == 999:
            lines.append(f"{sensor},{seconds},{rng.choice(['broken', '', 'NaN'])}")
        else:
            value = Decimal(rng.randrange(-5_000, 35_000)) / 100
            lines.append(f"{sensor},{seconds},{value}")
            readings[sensor, seconds] = value
    return Upload(key, "\n".join(lines).encode() + b"\n", readings, BIG_FILE_ROWS - len(readings))


def watch(aws: Aws, console: Console, uploads: list[Upload]) -> None:
    """Show each execution's states as it enters them, until all have ended."""

    def refresh_all(unfinished: Iterable[Upload]) -> None:
        for upload in unfinished:
            refresh(aws, upload)

    progress.watch(console, uploads, refresh_all, states_of, seconds=SCENE_SECONDS)


def refresh(aws: Aws, upload: Upload) -> None:
    if not upload.execution:
        for execution in aws.executions(aws.outputs["SensorStateMachineArn"]):
            described = aws.describe(execution["executionArn"])
            if json.loads(described["input"]).get("objectKey") == upload.key:
                upload.execution = described
                break
        else:
            return
    arn = upload.execution["executionArn"]
    upload.execution = aws.describe(arn)
    upload.visited = aws.visited(arn)


def states_of(uploads: Iterable[Upload]) -> Table:
    table = Table("file", *STATES, "took", box=box.SIMPLE)
    for upload in uploads:
        table.add_row(
            upload.name, *(mark(upload, state) for state in STATES), took(upload.execution)
        )
    return table


def mark(upload: Upload, state: str) -> str:
    if state not in upload.visited:
        return ""
    following = upload.visited[upload.visited.index(state) + 1 :]
    if not following and not upload.ended:
        return "[yellow]…"
    failed = following[:1] and following[0] in STATES_AFTER_FAILURE
    return "[red]✗" if failed else "[green]✓"


def check(aws: Aws, upload: Upload) -> list[str]:
    """A row with the file's outcome. LocalError if it is not the expected one."""
    valid = bool(upload.readings)
    status, error = upload.execution["status"], upload.execution.get("error", "")
    expected = ("SUCCEEDED", "") if valid else ("FAILED", "NoValidReadingsError")
    expect(
        (status, error) == expected,
        f"{upload.key} ended {status} {error}, not {expected}: {upload.execution.get('cause')}",
    )
    ingestion = json.loads(upload.execution["output"]).get("ingestion", {}) if valid else {}

    stored = {key: value for key, value in table(aws, upload).items() if key in upload.readings}
    expect(stored == upload.readings, f"the table does not have the readings of {upload.key}")
    expect(
        ingestion.get("rejected", 0) == upload.rejected,
        f"{upload.key} has {upload.rejected} invalid rows, but Process File returned {ingestion}",
    )
    if upload.rejected:
        expect(exists(aws, ingestion["rejectedKey"]), f"{ingestion['rejectedKey']} is missing")

    folder = "processed/" if valid else "failed/"
    key = folder + upload.key
    expect(exists(aws, key), f"{key} is not in the target bucket")
    subject = "File processed" if valid else "File not processed"
    mails = [mail["Subject"] for mail in aws.mails(upload.key)]
    expect(mails == [subject], f"the mails about {upload.key} are {mails}, not one '{subject}'")
    return [
        *(upload.name, f"[green]{status}" if valid else f"{status} as expected\n{error}"),
        *(f"{len(stored):,}", f"{upload.rejected:,}", folder, subject, took(upload.execution)),
    ]


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise LocalError(f"The sensor workflow did not do what it should: {message}.")


def table(aws: Aws, upload: Upload) -> dict[tuple[str, int], Decimal]:
    """The table's readings of the file's sensors."""
    pages = aws.client("dynamodb").get_paginator("query")
    found = {}
    for sensor in {sensor for sensor, _ in upload.readings}:
        query = pages.paginate(
            TableName=aws.outputs["SensorReadingsTable"],
            KeyConditionExpression="sensor_id = :sensor",
            ExpressionAttributeValues={":sensor": {"S": sensor}},
        )
        for item in (item for page in query for item in page["Items"]):
            found[sensor, int(item["timestamp"]["N"])] = Decimal(item["value"]["N"])
    return found


def exists(aws: Aws, key: str) -> bool:
    listed = aws.client("s3").list_objects_v2(Bucket=aws.outputs["SensorTargetBucket"], Prefix=key)
    return key in {item["Key"] for item in listed.get("Contents", [])}
