"""The sensor workflow from outside: upload a file, then check readings, files and mails."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

import pytest

from local.aws import WAIT_SECONDS, Deployment, pace, until
from local.settings import ROOT, STACK
from ops.dead_letters import DeadLetterQueue
from tests.support import mails

SAMPLE = (ROOT / "events" / "sensor" / "sensor_sample.csv").read_bytes()
HAPPY_PATH = [
    *("Plan Ingestion", "Is The File Large?", "Process File"),
    *("Move File", "Wait 10 Minutes", "Send Email"),
]


@pytest.fixture
def name(aws: Deployment) -> str:
    """A name for a sensor and a folder that no other test uses."""
    return aws.name()


class Sensor:
    """The workflow's buckets, table and machine."""

    def __init__(self, aws: Deployment) -> None:
        self.aws = aws
        self.source = aws.outputs["SensorSourceBucket"]
        self.target = aws.outputs["SensorTargetBucket"]
        self.machine = aws.outputs["SensorStateMachineArn"]
        self.s3 = aws.client("s3")

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        response: dict[str, Any] = self.s3.put_object(Bucket=self.source, Key=key, Body=body)
        return response

    def executions(self, key: str) -> list[str]:
        """ARNs of the executions for a key, the oldest first."""
        arns = [
            execution["executionArn"]
            for execution in self.aws.executions(self.machine)
            if self.input_of(execution["executionArn"]).get("objectKey") == key
        ]
        return arns[::-1]

    def input_of(self, arn: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.aws.describe(arn)["input"])
        return loaded

    def wait_for(self, key: str, count: int = 1) -> list[dict[str, Any]]:
        """The ended executions for a key, once there are `count` of them."""
        arns = until(
            f"{count} execution(s) for {key}",
            lambda: arns if len(arns := self.executions(key)) >= count else None,
        )
        seconds = WAIT_SECONDS + self.pause / pace.factor
        return [self.aws.wait_for_end(arn, seconds) for arn in arns]

    @cached_property
    def pause(self) -> float:
        """How long the machine waits before it reports. The local AWS shortens it."""
        if self.aws.is_local:
            return 0
        return float(self.definition["States"]["Wait 10 Minutes"]["Seconds"])

    @cached_property
    def definition(self) -> dict[str, Any]:
        states = self.aws.client("stepfunctions")
        described = states.describe_state_machine(stateMachineArn=self.machine)
        return dict(json.loads(described["definition"]))

    @cached_property
    def large(self) -> int:
        """Bytes of a file that is processed in segments, and a few more."""
        functions = self.aws.client("lambda")
        found = functions.get_function_configuration(
            FunctionName=self.aws.function_name("planIngestion")
        )
        return int(found["Environment"]["Variables"]["LARGE_FILE_BYTES"]) + 1_000_000

    def assert_mailed(self, subject: str, execution: dict[str, Any], *texts: str) -> None:
        """SES accepted this execution's mail. The local inbox has it, with these texts."""
        message_id = mails.accepted(self.aws, f"{subject}#{execution['executionArn']}")
        assert message_id
        if self.aws.is_local:
            (mail,) = self.aws.mails(self.input_of(execution["executionArn"])["objectKey"])
            assert (mail["Subject"], mail["Source"]) == (subject, "stepworks@example.com")
            assert all(text in mail["BodyText"] for text in texts)

    def rows(self, sensor: str) -> dict[int, str]:
        items = self.aws.client("dynamodb").query(
            TableName=self.aws.outputs["SensorReadingsTable"],
            KeyConditionExpression="sensor_id = :sensor",
            ExpressionAttributeValues={":sensor": {"S": sensor}},
        )["Items"]
        return {int(item["timestamp"]["N"]): item["value"]["N"] for item in items}

    def body(self, bucket: str, key: str) -> bytes | None:
        try:
            content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return content

    def subjects(self, key: str) -> list[str]:
        return [mail["Subject"] for mail in self.aws.mails(key)]


@pytest.fixture
def sensor(aws: Deployment) -> Sensor:
    return Sensor(aws)


@pytest.mark.check("sensor-happy")
@pytest.mark.timeout(840)
def test_an_uploaded_file_is_stored_moved_and_reported(sensor: Sensor, name: str) -> None:
    key = f"{name}/sample.csv"
    body = f"{name},1483906366,10.10\n{name},1483906376,-5.10\n{name},1483906366,00.35\n".encode()

    sensor.upload(key, body)
    (execution,) = sensor.wait_for(key)

    assert execution["status"] == "SUCCEEDED"
    assert sensor.aws.visited(execution["executionArn"]) == HAPPY_PATH
    assert sensor.rows(name) == {1483906366: "0.35", 1483906376: "-5.1"}
    assert sensor.body(sensor.source, key) is None
    assert sensor.body(sensor.target, f"processed/{key}") == body
    sensor.assert_mailed("File processed", execution, f"processed/{key}")


def test_the_last_row_of_a_key_in_the_sample_is_stored(sensor: Sensor, name: str) -> None:
    key = f"{name}/sensor_sample.csv"

    sensor.upload(key, SAMPLE)
    (execution,) = sensor.wait_for(key)

    ingestion = json.loads(execution["output"])["ingestion"]
    assert (ingestion["stored"], ingestion["duplicates"], ingestion["sensors"]) == (7, 1, 5)
    assert sensor.rows("0000-0001")[1483906366] == "0.35"


@pytest.mark.parametrize(
    "file", ["my data/übung +1.csv", "100% & 'more'.CSV"], ids=["blanks and umlauts", "signs"]
)
def test_any_key_is_processed(sensor: Sensor, name: str, file: str) -> None:
    key = f"{name}/{file}"

    sensor.upload(key, f"{name},1,1\n".encode())
    (execution,) = sensor.wait_for(key)

    assert execution["status"] == "SUCCEEDED"
    assert sensor.body(sensor.target, f"processed/{key}") == f"{name},1,1\n".encode()
    assert sensor.subjects(key) == ["File processed"]


def test_rejected_rows_are_written_with_their_line_and_reason(sensor: Sensor, name: str) -> None:
    key = f"{name}/mixed.csv"

    sensor.upload(key, f"{name},1,1\n{name},soon,2\n{name},3\n{name},4,4\n".encode())
    (execution,) = sensor.wait_for(key)

    ingestion = json.loads(execution["output"])["ingestion"]
    assert (ingestion["stored"], ingestion["rejected"]) == (2, 2)
    assert ingestion["rejectedKey"] == f"rejected/{key}.csv"
    rejected = (sensor.body(sensor.target, ingestion["rejectedKey"]) or b"").decode().splitlines()
    assert rejected[0] == "line,reason,row"
    assert [line.split(",")[0] for line in rejected[1:]] == ["2", "3"]
    assert sensor.rows(name) == {1: "1", 4: "4"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "no rows", id="empty file"),
        pytest.param(
            *(b"not,a,reading\nat all\n", "rejected"),
            id="no valid row",
            marks=[
                pytest.mark.check("sensor-failing"),
                pytest.mark.check(
                    "object-keys", only_on_aws="it encodes a key in a notification in its own way"
                ),
                pytest.mark.check(
                    "mail-from-address",
                    only_on_aws="its SES accepts every mail that a role's policy allows",
                ),
            ],
        ),
    ],
)
def test_a_file_without_readings_is_quarantined_and_reported(
    sensor: Sensor, name: str, body: bytes, expected: str
) -> None:
    key = f"{name}/use less, ü +1 & 100%.csv"

    sensor.upload(key, body)
    (execution,) = sensor.wait_for(key)

    assert (execution["status"], execution["error"]) == ("FAILED", "NoValidReadingsError")
    assert expected in execution["cause"]
    assert sensor.body(sensor.source, key) is None
    assert sensor.body(sensor.target, f"failed/{key}") == body
    sensor.assert_mailed("File not processed", execution, f"failed/{key}")


@pytest.mark.check("missing-object", only_on_aws="S3 returns 404 there without ListBucket, too")
def test_a_missing_object_is_reported(sensor: Sensor, name: str) -> None:
    key = f"{name}/gone.csv"
    started = sensor.aws.client("stepfunctions").start_execution(
        stateMachineArn=sensor.machine,
        input=json.dumps({"bucketName": sensor.source, "objectKey": key}),
    )

    execution = sensor.aws.wait_for_end(started["executionArn"])

    assert (execution["status"], execution["error"]) == ("FAILED", "SourceObjectMissingError")
    sensor.assert_mailed("File not processed", execution)


def test_a_redelivered_event_starts_one_execution(sensor: Sensor, name: str) -> None:
    key = f"{name}/twice +.csv"
    version = sensor.upload(key, f"{name},1,1\n".encode())
    (execution,) = sensor.wait_for(key)
    input_ = sensor.input_of(execution["executionArn"])
    assert input_["versionId"] == version["VersionId"]
    event = notification(sensor.source, key, input_, sequencer="0055AED6DCD90281E5")

    first = sensor.aws.invoke("executeWorkflow", event)
    second = sensor.aws.invoke("executeWorkflow", event)

    assert first == second
    assert len(sensor.executions(key)) == 2  # the upload's own, and one for this event


def notification(bucket: str, key: str, input_: dict[str, Any], sequencer: str) -> dict[str, Any]:
    described = {
        "key": quote_plus(key),
        "size": input_["size"],
        "eTag": input_["etag"],
        "versionId": input_["versionId"],
        "sequencer": sequencer,
    }
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventSource": "aws:s3",
                         "s3": {"bucket": {"name": bucket}, "object": described}}]}  # fmt: skip


def test_another_upload_of_a_key_while_the_first_waits_is_processed_separately(
    sensor: Sensor, name: str
) -> None:
    key = f"{name}/again.csv"
    sensor.upload(key, f"{name},1,1\n".encode())
    (first,) = until("the first execution to wait", lambda: waiting(sensor, key))

    sensor.upload(key, f"{name},2,2\n".encode())
    executions = sensor.wait_for(key, count=2)

    assert first == executions[0]["executionArn"]
    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    assert sensor.rows(name) == {1: "1", 2: "2"}
    assert sensor.body(sensor.source, key) is None
    assert sensor.body(sensor.target, f"processed/{key}") == f"{name},2,2\n".encode()
    versions = sensor.s3.list_object_versions(Bucket=sensor.target, Prefix=f"processed/{key}")[
        "Versions"
    ]
    assert len(versions) == 2  # the first one is kept
    assert sensor.subjects(key) == ["File processed", "File processed"]


def waiting(sensor: Sensor, key: str) -> list[str] | None:
    arns = sensor.executions(key)
    return arns if arns and "Wait 10 Minutes" in sensor.aws.visited(arns[0]) else None


def test_two_versions_uploaded_at_once_are_both_processed(sensor: Sensor, name: str) -> None:
    key = f"{name}/burst.csv"

    sensor.upload(key, f"{name},1,1\n".encode())
    sensor.upload(key, f"{name},2,2\n".encode())
    executions = sensor.wait_for(key, count=2)

    assert [execution["status"] for execution in executions] == ["SUCCEEDED", "SUCCEEDED"]
    assert sensor.rows(name) == {1: "1", 2: "2"}
    assert sensor.body(sensor.source, key) is None


def test_folders_and_other_files_start_no_execution(sensor: Sensor, name: str) -> None:
    sensor.upload(f"{name}/", b"")
    sensor.upload(f"{name}/readme.txt", b"hello")
    sensor.upload(f"{name}/last.csv", f"{name},1,1\n".encode())
    sensor.wait_for(f"{name}/last.csv")

    assert not sensor.executions(f"{name}/")
    assert not sensor.executions(f"{name}/readme.txt")


@pytest.mark.check("sensor-dead-letter")
@pytest.mark.timeout(600)
def test_an_invalid_event_is_sent_to_the_failure_queue(sensor: Sensor, name: str) -> None:
    """S3 calls asynchronously: after the last retry, Lambda sends the event to the queue."""
    event = {"NoRecords": name}
    sensor.aws.client("lambda").invoke(
        FunctionName=sensor.aws.function_name("executeWorkflow"),
        InvocationType="Event",
        Payload=json.dumps(event),
    )
    queue = DeadLetterQueue(sensor.aws.resource("SensorTriggerFailureQueue"), sensor.aws.client)

    def failed() -> dict[str, Any] | None:
        found = (letter.content for letter in queue.read())
        return next((body for body in found if body["requestPayload"] == event), None)

    body = until("the event in the failure queue", failed)

    assert body["requestContext"]["condition"] == "RetriesExhausted"
    assert "Records" in body["responsePayload"]["errorMessage"]


def test_states_stay_small_with_a_large_file(sensor: Sensor, name: str) -> None:
    """Step Functions allows 256 KiB. Our limit is 32 KiB, which shows growth early."""
    key = f"{name}/large.csv"
    rows = [f"{name},{number},{number}.5" for number in range(10_000)]
    rows[::50] = [f"{name},never,x" for _ in rows[::50]]

    started = time.monotonic()
    sensor.upload(key, "\n".join(rows).encode())
    (execution,) = sensor.wait_for(key)

    assert json.loads(execution["output"])["ingestion"]["stored"] == 9_800
    assert time.monotonic() - started < 60
    for event in sensor.aws.history(execution["executionArn"]):
        for details in event.values():
            if isinstance(details, dict):
                assert all(len(str(value)) < 32 * 1024 for value in details.values())


# -- Large files ----------------------------------------------------------------------------------


def large_file(name: str, size: int) -> tuple[bytes, dict[int, str], list[str]]:
    """A file of several segments and at least this size, with few readings: quick to store.

    Also the readings that must be stored, and the rejected rows: number and start of each.
    """
    lines, readings, rejected = ["sensor,timestamp,value"], {}, []
    for number in range(8 * (size // (7 * 3_000) + 1)):
        if number % 8 == 0:
            timestamp = number % 1_000  # the same ones in every part of the file
            lines.append(f"{name},{timestamp},{number}.5")
            readings[timestamp] = f"{number}.5"
        else:
            lines.append(f"{number}{'x' * 3_000}")
            rejected.append(f'{number + 2},"there must be 3 fields, not 1",{number}xx')
    return "\n".join(lines).encode(), readings, rejected


@pytest.mark.check("sensor-large-file")
@pytest.mark.check(
    "child-executions",
    only_on_aws="it enforces no role of a machine, so none of its child executions",
)
@pytest.mark.timeout(840)
def test_a_large_file_is_processed_in_segments(sensor: Sensor, name: str) -> None:
    key = f"{name}/large.csv"
    body, readings, rejected = large_file(name, sensor.large)

    sensor.upload(key, body)
    (execution,) = sensor.wait_for(key)

    assert execution["status"] == "SUCCEEDED"
    ingestion = json.loads(execution["output"])["ingestion"]
    assert sensor.rows(name) == readings
    rows = body.count(b".5")
    assert (ingestion["stored"], ingestion["duplicates"]) == (len(readings), rows - len(readings))
    assert (ingestion["rejected"], ingestion["sensors"]) == (len(rejected), 1)
    written = (sensor.body(sensor.target, ingestion["rejectedKey"]) or b"").decode().splitlines()
    assert written[0] == "line,reason,row"
    starts = zip(written[1:], rejected, strict=True)
    assert all(row.startswith(expected) for row, expected in starts)
    assert sensor.body(sensor.target, f"processed/{key}") == body
    sensor.assert_mailed("File processed", execution)


def test_states_stay_small_and_children_are_not_recorded(sensor: Sensor, name: str) -> None:
    key = f"{name}/large.csv"
    sensor.upload(key, large_file(name, sensor.large + 5_000_000)[0])
    (execution,) = sensor.wait_for(key)
    arn = execution["executionArn"]
    states = sensor.aws.client("stepfunctions")

    for event in sensor.aws.history(arn):
        for details in event.values():
            if isinstance(details, dict):
                assert all(len(str(value)) < 4 * 1024 for value in details.values())
    runs = states.list_map_runs(executionArn=arn)["mapRuns"]
    children = [
        child
        for run in runs
        for child in states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    ]
    assert len(runs) == 3
    assert len(children) > 30
    recorded = sensor.aws.client("dynamodb").scan(
        TableName=sensor.aws.outputs["EventLogTable"],
        FilterExpression="contains(job, :label)",
        ExpressionAttributeValues={":label": {"S": "Segments"}},
    )
    assert recorded["Count"] == 0


@contextmanager
def no_capacity(aws: Deployment, function: str) -> Iterator[None]:
    """Refuse every call of a function; machines repeat it."""
    functions = aws.client("lambda")
    name = f"{STACK}-{function}"
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def test_the_error_of_a_segment_is_the_error_of_the_execution(sensor: Sensor, name: str) -> None:
    # Given a large file of which the segments are about to be read
    key = f"{name}/large.csv"
    with no_capacity(sensor.aws, "indexSegment"):
        version = sensor.upload(key, large_file(name, sensor.large)[0])["VersionId"]
        arn = until("the segments", lambda: next(iter(sensor.executions(key)), None))
        until("the Map", lambda: "Index Segments" in sensor.aws.visited(arn) or None)

        # When the file is deleted
        sensor.s3.delete_object(Bucket=sensor.source, Key=key, VersionId=version)
    execution = sensor.aws.wait_for_end(arn)

    # Then the execution ends with the segment's own error, and the mail explains it
    assert (execution["status"], execution["error"]) == ("FAILED", "SourceObjectMissingError")
    assert "Find Failed Segment" in sensor.aws.visited(arn)
    (mail,) = sensor.aws.mails(key)
    assert "The file no longer exists." in mail["BodyText"]
