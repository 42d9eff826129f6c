"""DynamoDB refuses, loses and delays half of the batches: the table is right all the same."""

import json
import uuid

import pytest

from local.aws import Aws, until
from local.demo import large_file, sensor
from local.demo.large_file import LargeUpload
from tests.e2e.load.storm import SHARES, storm
from tests.e2e.size import Size

pytestmark = [pytest.mark.load, pytest.mark.timeout(1500)]
SECONDS = 1200  # on a busy machine
SMALL_ROWS = 12_000  # one function stores them


def test_a_storm_loses_and_doubles_nothing(aws: Aws, size: Size) -> None:
    # Given a file that one function stores, and one that several store in segments
    folder = uuid.uuid4().hex[:12]
    uploads = [
        large_file.large_file(f"{folder}-a/small.csv", SMALL_ROWS),
        large_file.large_file(f"{folder}-b/large.csv", size.rows_in_a_storm),
    ]
    bucket = aws.outputs["SensorSourceBucket"]

    # When both are processed during a storm
    with storm(aws.settings) as met:
        for upload in uploads:
            aws.client("s3").put_object(Bucket=bucket, Key=upload.key, Body=upload.body)
        until("the end", lambda: all(ended(aws, upload) for upload in uploads), SECONDS)

    # Then the table equals the dict and the counts are exact, whatever the requests met
    assert all(met[kind] for kind in SHARES), met
    for upload in uploads:
        sensor.check(aws, upload)
        ingestion = json.loads(upload.execution["output"])["ingestion"]
        rows = upload.body.count(b"\n") - 1 - upload.rejected
        assert ingestion["stored"] == len(upload.readings)
        assert ingestion["duplicates"] == rows - len(upload.readings)
    assert [len(large_file.children(aws, one.execution["executionArn"])) for one in uploads] == [
        0,
        3,
    ]


def ended(aws: Aws, upload: LargeUpload) -> bool:
    sensor.refresh(aws, upload)
    return upload.ended
