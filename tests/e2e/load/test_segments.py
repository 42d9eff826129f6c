"""A large file through the distributed Maps, while processes of its functions are killed.

`make load` sends a million rows.
"""

import json
import re
import time
import uuid
from contextlib import suppress

import psutil
import pytest

from local import process
from local.aws import Aws, until
from local.demo import large_file, sensor
from local.demo.large_file import LargeUpload
from local.errors import LocalError
from tests.e2e.size import Size

pytestmark = [pytest.mark.load, pytest.mark.timeout(1800)]
SECONDS = 1600  # on a busy machine; idle processors take a few minutes


def test_a_large_file_is_stored_although_processes_are_killed(aws: Aws, size: Size) -> None:
    # Given a large file, with keys that occur again anywhere in it
    folder = uuid.uuid4().hex[:12]
    upload = large_file.large_file(f"{folder}/large.csv", size.rows_of_the_large_file)
    bucket = aws.outputs["SensorSourceBucket"]
    aws.client("s3").put_object(Bucket=bucket, Key=upload.key, Body=upload.body)

    # When it is processed, and processes are killed while they store segments
    until("segments that are stored", lambda: stored(aws, upload) or None, SECONDS)
    map_run = large_file.children(aws, upload.execution["executionArn"])[-1]["mapRunArn"]
    ended: set[tuple[str, int]] = set()
    until("calls that end", lambda: kill(aws, map_run, ended) >= size.killed, SECONDS)
    until("the end", lambda: upload.ended or refresh(aws, upload), SECONDS)

    # Then the table equals the dict, and the counts are exact
    sensor.check(aws, upload)
    ingestion = json.loads(upload.execution["output"])["ingestion"]
    rows = size.rows_of_the_large_file - upload.rejected
    assert ingestion["stored"] == len(upload.readings)
    assert ingestion["duplicates"] == rows - len(upload.readings)
    # And there were many child executions; none failed, because the killed calls were repeated
    run = large_file.children(aws, upload.execution["executionArn"])[-1]
    assert run["executionCounts"]["total"] >= size.segments
    assert run["executionCounts"]["succeeded"] == run["executionCounts"]["total"]


def refresh(aws: Aws, upload: LargeUpload) -> None:
    sensor.refresh(aws, upload)


def stored(aws: Aws, upload: LargeUpload) -> int:
    """How many segments of a file have been stored."""
    refresh(aws, upload)
    runs = large_file.children(aws, upload.execution["executionArn"]) if upload.execution else []
    return int(runs[2]["executionCounts"]["succeeded"]) if len(runs) == 3 else 0


def kill(aws: Aws, map_run: str, ended: set[tuple[str, int]]) -> int:
    """Kill a busy process that stores a segment; how many calls have now ended with their process.

    A process may be between two calls when it is killed. Then no call has ended.
    """
    counts = aws.client("stepfunctions").describe_map_run(mapRunArn=map_run)["executionCounts"]
    assert counts["pending"] + counts["running"], f"All is stored, and {len(ended)} calls ended."
    before = len(ended)
    kill_one(aws, "processSegment")
    with suppress(LocalError):
        until("a call that ended", lambda: count_ended(aws, map_run, ended) > before, 2)
    return len(ended)


def kill_one(aws: Aws, function: str) -> None:
    """Kill the busiest process of a function, if there is one."""
    server = process._server(aws.settings)
    assert server
    workers = [worker for worker in server.children() if is_of(worker, function)]
    for worker in workers:
        cpu_percent(worker)  # the next call counts from here
    time.sleep(0.2)
    if workers:
        with suppress(psutil.Error):  # it has ended in the meantime
            max(workers, key=cpu_percent).kill()


def is_of(worker: psutil.Process, function: str) -> bool:
    with suppress(psutil.Error):
        return bool(re.search(rf"/ministack-lambda-\S+-{function}-", " ".join(worker.cmdline())))
    return False


def cpu_percent(worker: psutil.Process) -> float:
    with suppress(psutil.Error):
        return worker.cpu_percent()
    return 0.0


def count_ended(aws: Aws, map_run: str, ended: set[tuple[str, int]]) -> int:
    """Add the calls of running children that ended with their process: execution, event."""
    states = aws.client("stepfunctions")
    running = states.list_executions(mapRunArn=map_run, statusFilter="RUNNING")["executions"]
    for child in running:
        for event in aws.history(child["executionArn"]):
            if event.get("taskFailedEventDetails", {}).get("error") == "Runtime.ExitError":
                ended.add((child["name"], event["id"]))
    return len(ended)
