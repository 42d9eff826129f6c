"""The promises of the sensor workflow: docs/workflows/sensor.md, "When it fails"."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

from faults import stack
from faults.address import Call, Fault
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts, touches
from faults.world import Mail, World

KEY = "2026/readings (ä).csv"
SOURCE = str(stack.resources("AWS::S3::Bucket")["SensorSourceBucket"]["BucketName"])
TARGET = stack.bucket("SensorTargetBucket")
TABLE = "SensorReadingsTable"
GOOD = b"a,1,1\na,2,2\nb,1,3\na,1,4\nnot a reading\n"
READINGS = {("a", "1"): "4", ("a", "2"): "2", ("b", "1"): "3"}
ROWS = {*READINGS.items(), (("a", "1"), "1")}
BAD = b"not a reading\n"
LARGE = b"b,1,9\na,1,1\nnot a reading\na,2,7\n" + GOOD  # has the same readings at the end
AT_SOURCE = f"s3://{SOURCE}/{KEY}"
PROCESSED, FAILED = f"s3://{TARGET}/processed/{KEY}", f"s3://{TARGET}/failed/{KEY}"
_UNKNOWN = "EmailOutcomeUnknownError"
# The execution claims that all readings are stored.
_STORED = ("SUCCEEDED", "EmailNotSentError", _UNKNOWN, "MoveFailedError")


def _upload(content: bytes) -> Any:
    def begin(world: World) -> None:
        put = world.s3.put_object(Bucket=SOURCE, Key=KEY, Body=content)
        uploaded = {
            "key": KEY.replace(" ", "+"),
            "size": len(content),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
            "sequencer": "1",
        }
        event = {"Records": [{"s3": {"bucket": {"name": SOURCE}, "object": uploaded}}]}
        world.facts_for_mail = lambda: Facts(_locations(world), _readings(world))
        world.deliveries.deliver(
            "notification:SensorSourceBucket",
            lambda: world.functions.invoke_later("executeWorkflow", event),
        )

    return begin


# One connection with batches of two, so that the number of calls is fixed.
_WRITER = "handlers.shared.aws_http.batch_writer.BatchWriter.__init__.__kwdefaults__"
_ONE_WRITER = ((_WRITER, "connections", 1), (_WRITER, "batch_size", 2), (_WRITER, "window", 2))


@dataclass(frozen=True)
class Facts:
    """Where the file is, and what the table has."""

    locations: set[str]
    readings: Mapping[tuple[str, str], str]


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    executions = world.machines.all_executions()
    locations, readings = _locations(world), _readings(world)
    scenario = world.case.scenario
    if not locations:
        yield "the file is gone"
    if {PROCESSED, FAILED} <= locations:
        yield "the file is in processed/ and in failed/"
    if not readings.items() <= _may_be_stored(scenario):
        yield f"the table has readings that the file does not have: {readings}"
    if len(world.mails) > 1:
        yield f"{len(world.mails)} mails were sent"
    if not executions:
        if not world.queues.of("SensorTriggerFailureQueue"):
            yield "no execution was started, and the failure queue does not say so"
        return
    if len(executions) > 1:
        yield f"{len(executions)} executions were started for one upload"
    (execution, *_) = executions
    ended = execution.error or execution.status
    yield from _broken_by_status(ended, execution, world)
    for mail in world.mails:
        yield from _broken_by_mail(ended, mail)
    if ended != "SUCCEEDED" and not world.mails and not _may_lack_a_mail(world, ended):
        yield f"the execution ended with {ended}, and no mail says so"
    if not lasts(world):
        yield from _broken_although_a_retry_helps(world, ended, locations, readings)


def _may_be_stored(scenario: str) -> set[tuple[tuple[str, str], str]]:
    """The rows that the table may have at some time."""
    if scenario == "not processed":
        return set()
    # Of a large file, only the last row of each key is ever written (decision 0073).
    return {*READINGS.items()} if "segment" in scenario else ROWS


def _may_lack_a_mail(world: World, ended: str) -> bool:
    """The mail is what could not be sent; then only the execution and its alarm say so."""
    if "refused" in world.case.scenario or ended in ("EmailNotSentError", _UNKNOWN):
        return True
    return touches(
        world, "sendFailureEmail", "Send Failure Email", "sendMoveFailureEmail",
        "Send Move Failure Email",
    )  # fmt: skip


def _broken_by_status(ended: str, execution: Any, world: World) -> Iterator[str]:
    """What the error name claims."""
    locations, readings, mails = _locations(world), _readings(world), world.mails
    if ended == "SUCCEEDED":
        if [mail.subject for mail in mails] != ["File processed"]:
            yield "the execution succeeded without a report"
        if locations != {PROCESSED}:
            yield f"the execution succeeded, and the file is at {locations}"
    if ended == "EmailNotSentError" and mails:
        yield "EmailNotSentError, but the mail was sent"
    if ended in ("EmailNotSentError", "EmailOutcomeUnknownError") and locations != {PROCESSED}:
        yield f"{ended}, and the file is at {locations}"
    if ended in _STORED:
        if readings != READINGS:
            yield f"{ended}, but the table has {readings}"
        if FAILED in locations:
            yield f"{ended}, but the file is in failed/"


def _broken_by_mail(ended: str, mail: Mail) -> Iterator[str]:
    """What the mail claims, compared with what was true when it was sent."""
    rows = re.findall("<th[^>]*>(.*?)</th><td>(.*?)</td>", mail.body)  # moto keeps the HTML
    claims = {unescape(name): unescape(value) for name, value in rows}
    location, facts = claims.get("Location", ""), mail.facts
    named = {uri for uri in (AT_SOURCE, PROCESSED, FAILED) if uri in location}
    unknown = {uri for uri in named if f"{uri} could not be checked" in location}
    if named - unknown != facts.locations - unknown or not (named or unknown):
        yield f"the mail says that the file is at {location}, but it is at {facts.locations}"
    stored = claims.get("Readings stored", "")
    if stored.isdecimal() and len(facts.readings) != int(stored):
        yield f"the mail says that {stored} readings are stored, but it is {len(facts.readings)}"
    if stored == "none" and facts.readings:
        yield f"the mail says that no reading is stored, but it is {len(facts.readings)}"
    subjects = {
        "SUCCEEDED": "File processed",
        "EmailOutcomeUnknownError": "File processed",
        "MoveFailedError": "File processed, but moving it failed",
    }
    if mail.subject != subjects.get(ended, "File not processed"):
        yield f"the execution ended with {ended}, and the mail says: {mail.subject}"


def _broken_although_a_retry_helps(
    world: World, ended: str, locations: set[str], readings: Mapping[Any, Any]
) -> Iterator[str]:
    """After a fault that passes, all is as without it."""
    expected = {
        "processed": ("SUCCEEDED", {PROCESSED}),
        "many rejected": ("SUCCEEDED", {PROCESSED}),
        "rejects not stored": ("AwsUnavailableError", {FAILED}),
        "not processed": ("NoValidReadingsError", {FAILED}),
        "not moved": ("MoveFailedError", {AT_SOURCE}),
        "report refused": ("EmailNotSentError", {PROCESSED}),
        "failure mail refused": ("NoValidReadingsError", {FAILED}),
        "move failure mail refused": ("MoveFailedError", {AT_SOURCE}),
        "in segments": ("SUCCEEDED", {PROCESSED}),
        "segments continued": ("SUCCEEDED", {PROCESSED}),
        "many rejected in segments": ("SUCCEEDED", {PROCESSED}),
        "segment not read": ("AwsUnavailableError", {FAILED}),
        **{name: ("AwsUnavailableError", {FAILED}) for name in _REJECTS_NOT_STORED},
    }[world.case.scenario]
    if (ended, locations) != expected:
        yield f"it ended with {ended}, and the file is at {locations}"
    if len(world.mails) != (0 if "refused" in world.case.scenario else 1):
        yield f"{len(world.mails)} mails were sent"
    if expected[0] in _STORED and readings != READINGS:
        yield f"the table has {readings}"


def _locations(world: World) -> set[str]:
    """Where the file is, its versions included."""
    at_source = world.versions(SOURCE, KEY)
    copies = {f"s3://{TARGET}/{key}" for key in world.keys(TARGET)} & {PROCESSED, FAILED}
    return copies | ({AT_SOURCE} if at_source else set())


def _readings(world: World) -> dict[tuple[str, str], str]:
    return {
        (item["sensor_id"]["S"], item["timestamp"]["N"]): item["value"]["N"]
        for item in world.items(TABLE)
    }


def _given(caller: str, operation: str, kind: Kind, nth: int = 1) -> Fault:
    return Fault(Call(caller, 1, operation, nth), kind, Times.EVER)


def _refused(function: str) -> Fault:
    """SES refuses the mail of a function for good."""
    return _given(function, "ses:SendEmail", Kind.THROTTLED)


_NOT_MOVED = _given("moveFile", "s3:CopyObject", Kind.DENIED)
# Rejected rows that need a multipart upload; the parts are small here.
_MANY_REJECTED = GOOD + b"not a reading at all\n" * 100
_SMALL_PARTS = (
    *_ONE_WRITER,
    ("handlers.sensor.object_writer", "MIN_PART", 1024),
    ("moto.s3.models", "S3_UPLOAD_PART_MIN_SIZE", 1024),
)

_REJECTS_NOT_STORED = {
    f"rejects of {function} not stored in segments": (function, operation)
    for function, operation in (
        ("indexSegment", "UploadPart"),
        ("processSegment", "UploadPart"),
        ("summarise", "UploadPartCopy"),
    )
}
# Two segments and one partition.
_SEGMENTS = {"LARGE_FILE_BYTES": "50", "SEGMENT_BYTES": "40"}
_ONE_READER = (*_SMALL_PARTS, ("handlers.sensor.parallel", "MAX_PARALLEL", 1))
_SEGMENT_STEPS = (
    "planIngestion", "indexSegment", "reconcilePartition", "processSegment", "summarise",
    *(f"sensor/{state}" for state in (
        "Plan Ingestion", "Index Segments", "Index Segment", "Reconcile Duplicates",
        "Reconcile Partition", "Process Segments", "Process Segment", "Summarise",
    )),
)  # fmt: skip
_UPLOADS = tuple(
    f"{function} s3:{operation}"
    for function in ("indexSegment", "processSegment")
    for operation in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
)
# Each invocation stores what one request returns.
_CONTINUED = (
    *_ONE_READER,
    ("handlers.shared.aws_http.object_reader.open_object.__kwdefaults__", "part", 16),
    ("handlers.sensor.segment_store.Deadline", "has_passed", lambda _: True),
)

WORKFLOW = Workflow(
    "sensor",
    (
        Scenario("processed", _upload(GOOD), options=_ONE_WRITER),
        Scenario("not processed", _upload(BAD), options=_ONE_WRITER),
        Scenario("not moved", _upload(GOOD), (_NOT_MOVED,), options=_ONE_WRITER),
        Scenario(
            "many rejected", _upload(_MANY_REJECTED), only=("processFile",), options=_SMALL_PARTS
        ),
        Scenario(
            "rejects not stored",
            _upload(_MANY_REJECTED),
            (_given("processFile", "s3:UploadPart", Kind.UNAVAILABLE, nth=2),),
            # Whether its writer has begun by then depends on the threads of the machine.
            ("processFile s3:AbortMultipartUpload",),
            options=_SMALL_PARTS,
        ),
        Scenario(
            "in segments",
            _upload(LARGE),
            only=_SEGMENT_STEPS,
            options=_ONE_READER,
            environment=_SEGMENTS,
        ),
        Scenario(
            "segments continued",
            _upload(LARGE),
            only=("processSegment", "sensor/Process Segment"),
            periodic=("processSegment",),
            options=_CONTINUED,
            environment=_SEGMENTS,
        ),
        Scenario(
            "many rejected in segments",
            _upload(_MANY_REJECTED),
            only=("summarise", *_UPLOADS),
            periodic=("indexSegment", "processSegment"),
            options=_ONE_READER,
            environment={"LARGE_FILE_BYTES": "50", "SEGMENT_BYTES": "1500"},
        ),
        *(
            Scenario(
                name,
                _upload(_MANY_REJECTED),
                (_given(function, f"s3:{operation}", Kind.UNAVAILABLE),),
                (f"{function} s3:AbortMultipartUpload",),
                options=_ONE_READER,
                environment={"LARGE_FILE_BYTES": "50", "SEGMENT_BYTES": "1500"},
            )
            for name, (function, operation) in _REJECTS_NOT_STORED.items()
        ),
        Scenario(
            "segment not read",
            _upload(LARGE),
            (_given("processSegment", "s3:ListObjectsV2", Kind.UNAVAILABLE),),
            ("findFailedSegment", "sensor/Find Failed Segment"),
            options=_ONE_READER,
            environment=_SEGMENTS,
        ),
        Scenario(
            "report refused",
            _upload(GOOD),
            (_refused("sendEmail"),),
            ("sendEmail",),
            options=_ONE_WRITER,
        ),
        Scenario(
            "failure mail refused",
            _upload(BAD),
            (_refused("sendFailureEmail"),),
            ("sendFailureEmail",),
            options=_ONE_WRITER,
        ),
        Scenario(
            "move failure mail refused",
            _upload(GOOD),
            (_NOT_MOVED, _refused("sendMoveFailureEmail")),
            ("sendMoveFailureEmail",),
            options=_ONE_WRITER,
        ),
    ),
    broken,
)
