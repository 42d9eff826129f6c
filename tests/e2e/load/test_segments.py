"""A large file through the distributed Maps, while processes of its functions are killed.

`make load` sends a million rows.
"""

import json
import re
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
    until("calls that end with their process", lambda: kill(aws, map_run) >= size.killed)
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
    assert retries(aws, run["mapRunArn"]) >= size.killed


def refresh(aws: Aws, upload: LargeUpload) -> None:
    sensor.refresh(aws, upload)


def stored(aws: Aws, upload: LargeUpload) -> int:
    """How many segments of a file have been stored."""
    refresh(aws, upload)
    runs = large_file.children(aws, upload.execution["executionArn"]) if upload.execution else []
    return int(runs[2]["executionCounts"]["succeeded"]) if len(runs) == 3 else 0


def kill(aws: Aws, map_run: str) -> int:
    """Kill a busy process that stores a segment; how many calls have now ended with their process.

    A process may be between two calls when it is killed. Then no call has ended.
    """
    before = retries(aws, map_run)
    kill_one(aws, "processSegment")
    with suppress(LocalError):
        until("a call that ended", lambda: retries(aws, map_run) > before, 2)
    return retries(aws, map_run)


def kill_one(aws: Aws, function: str) -> None:
    """Kill a busy process of a function, if there is one."""
    server = process._server(aws.settings)
    assert server
    for worker in server.children():
        try:
            own = re.search(rf"/ministack-lambda-\S+-{function}-", " ".join(worker.cmdline()))
            if own and worker.cpu_percent(0.2) > 1:
                worker.kill()
                return
        except psutil.Error:  # it has ended in the meantime
            continue


def retries(aws: Aws, map_run: str) -> int:
    """How many calls of the children of a Map Run ended with their process."""
    states = aws.client("stepfunctions")
    children = states.list_executions(mapRunArn=map_run, maxResults=1000)["executions"]
    histories = (aws.history(child["executionArn"]) for child in children)
    failed = (
        event.get("taskFailedEventDetails", {}).get("error")
        for history in histories
        for event in history
    )
    return sum(error == "Runtime.ExitError" for error in failed)
