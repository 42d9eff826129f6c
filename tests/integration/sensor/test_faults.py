"""Every call that the sensor workflow makes to AWS fails in every way, one at a time.

The real machine runs on moto's engine, with the real functions. Whatever fails: the table has no
row that is not in the file, the file exists, there is one mail at most, and what the mail and the
error name claim is true.
"""

import importlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from html import unescape
from typing import Any

import boto3
import pytest
from moto.backends import get_backend

from handlers.shared.aws_http.batch_writer import BatchWriter
from handlers.shared.clients import client
from tests.support import asl
from tests.support.engine import Engine, Run, Task, engine, fails
from tests.support.faults import EVERY, Fault, Kind, Network, injected
from tests.unit.fakes import FakeContext
from tests.unit.fixtures import fresh

from .conftest import KEY, SOURCE, TARGET, World, create_world

pytestmark = pytest.mark.slow

GOOD = b"a,1,1\na,2,2\nb,1,3\na,1,4\nnot a reading\n"
READINGS = {("a", "1"): "4", ("a", "2"): "2", ("b", "1"): "3"}
ROWS = {*READINGS.items(), (("a", "1"), "1")}
WORK, LARGE_FILE_BYTES, SEGMENT_BYTES = "sensor-work", 50, 40
BAD = b"not a reading\n"
LARGE = b"b,1,9\na,1,1\nnot a reading\na,2,7\n" + GOOD  # has the same readings at the end
SOURCE_URI = f"s3://{SOURCE}/{KEY}"
PROCESSED_URI, FAILED_URI = f"s3://{TARGET}/processed/{KEY}", f"s3://{TARGET}/failed/{KEY}"
FUNCTIONS = {
    "planIngestion": "plan_ingestion",
    "indexSegment": "index_segment",
    "reconcilePartition": "reconcile_partition",
    "processSegment": "process_segment",
    "summarise": "summarise",
    "findFailedSegment": "find_failed_segment",
    "processFile": "process_file",
    "moveFile": "move_file",
    "sendEmail": "send_email",
    "quarantineFile": "quarantine_file",
    "sendFailureEmail": "send_failure_email",
    "sendMoveFailureEmail": "send_move_failure_email",
}


MAIL = {"SendEmail": 1, "UpdateItem": 1}
# By path of an execution: the uploaded file, the tasks that also fail, the number of calls.
PATHS: dict[str, tuple[bytes, dict[str, Task], dict[str, int]]] = {
    "processed": (
        GOOD,
        {},
        dict(
            GetObject=1, PutObject=1, BatchWriteItem=2, HeadObject=5, CopyObject=1,
            DeleteObject=1, PutItem=1, **MAIL,
        ),
    ),
    "not-processed": (
        BAD,
        {},
        dict(
            GetObject=1, PutObject=1, HeadObject=8, CopyObject=1, DeleteObject=1,
            PutItem=1, **MAIL,
        ),
    ),
    "in-segments": (
        LARGE,
        {},
        dict(
            GetObject=18, PutObject=15, ListObjectsV2=5, BatchWriteItem=2, HeadObject=5,
            CopyObject=1, DeleteObject=1, PutItem=1, **MAIL,
        ),
    ),
    "not-moved": (
        GOOD,
        {"moveFile": fails("CopyVerificationError", "the copy is wrong")},
        dict(GetObject=1, PutObject=1, BatchWriteItem=2, HeadObject=4, PutItem=1, **MAIL),
    ),
}  # fmt: skip
WHILE_SEGMENTED = ("GetObject", "PutObject", "ListObjectsV2", "BatchWriteItem")
NOT_TESTED = {
    (Kind.REFUSED, 1),  # a refused request is refused again
    (Kind.UNAVAILABLE, 1),  # botocore repeats it
    (Kind.KILLED_BEFORE, EVERY),  # has the effect of a refusal
    (Kind.NOT_REACHED, 1),  # has the effect of a service that is unavailable
    (Kind.NOT_REACHED, EVERY),
}
SWEEP = [
    pytest.param(path, fault := Fault(kind, operation, nth, times), id=f"{path}-{fault}")
    for path, (_, _, calls) in PATHS.items()
    for operation, count in calls.items()
    for nth in range(1, count + 1)
    # The path "processed" already covers the calls before Move File.
    if path != "not-moved" or operation in ("HeadObject", "PutItem", *MAIL)
    # ... and those after Summarise.
    if path != "in-segments" or operation in WHILE_SEGMENTED
    for kind in Kind
    for times in (1, EVERY)
    if (kind, times) not in NOT_TESTED
]


@dataclass
class Outcome:
    """The result of an execution, and what is in AWS after it."""

    run: Run
    world: World
    network: Network

    @property
    def locations(self) -> set[str]:
        """Where the file is, its versions included."""
        at_source = self.world.s3.list_object_versions(Bucket=SOURCE).get("Versions", [])
        copies = {FAILED_URI: f"failed/{KEY}", PROCESSED_URI: f"processed/{KEY}"}
        found = {uri for uri, key in copies.items() if self.world.read(TARGET, key) is not None}
        return found | ({SOURCE_URI} if at_source else set())

    @property
    def mail_facts(self) -> dict[str, str]:
        """The facts of the mail."""
        (mail,) = self.world.mails
        rows = re.findall("<th[^>]*>(.*?)</th><td>(.*?)</td>", mail.body)  # moto keeps the HTML
        return {unescape(name): unescape(value) for name, value in rows}


@pytest.fixture(autouse=True)
def fresh_clients() -> None:
    """The clients are kept between tests: making them takes longer than a test."""


@pytest.fixture(scope="module")
def states() -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fresh(monkeypatch)
        # One connection with batches of two: so the number of calls is always the same.
        options = {"connections": 1, "batch_size": 2, "backoff": lambda _: 0.0}
        for option, value in options.items():
            monkeypatch.setitem(BatchWriter.__init__.__kwdefaults__, option, value)
        with engine() as active:
            yield active
    client.cache_clear()


@pytest.fixture
def execute(states: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    for service in ("s3", "dynamodb", "ses"):
        get_backend(service).reset()
    world = create_world(monkeypatch, make=make_client)
    world.s3.create_bucket(Bucket=WORK)
    monkeypatch.setenv("WORK_BUCKET", WORK)
    monkeypatch.setenv("LARGE_FILE_BYTES", str(LARGE_FILE_BYTES))
    monkeypatch.setenv("SEGMENT_BYTES", str(SEGMENT_BYTES))

    def execute_path(path: str, fault: Fault | None = None) -> Outcome:
        content, tasks, _ = PATHS[path]
        source = world.upload(content)
        # Step Functions is what the test itself calls.
        with injected(fault, except_for=["stepfunctions"]) as network:
            working_tasks = {key: task_of(network, module) for key, module in FUNCTIONS.items()}
            run = states.run(asl.definition("sensor"), source, working_tasks | tasks)
        return Outcome(run, world, network)

    return execute_path


make_client = cache(boto3.client)


# Children of a distributed Map run at once. One function at a time, so that a fault kills only one.
one_function = threading.Lock()


def task_of(network: Network, module: str) -> Task:
    handler = importlib.import_module(f"handlers.sensor.{module}").handler

    def task(event: dict[str, Any]) -> Any:
        with one_function:
            return network.invoke(handler, event, FakeContext())

    return task


@pytest.mark.parametrize("path", PATHS)
def test_the_sweep_covers_every_call(execute: Callable[..., Outcome], path: str) -> None:
    outcome = execute(path)

    assert Counter(outcome.network.calls) == PATHS[path][2]
    assert len(outcome.world.mails) == 1


@pytest.mark.parametrize(("path", "fault"), SWEEP)
def test_a_fault_loses_nothing_and_every_claim_is_true(
    execute: Callable[..., Outcome], path: str, fault: Fault
) -> None:
    outcome = execute(path, fault)

    assert_nothing_is_lost(outcome, path)
    if fault.times != EVERY:
        assert_a_retry_succeeded(outcome, path, fault)
    assert_the_status_is_true(outcome)
    assert_the_mail_is_true(outcome)


def assert_nothing_is_lost(outcome: Outcome, path: str) -> None:
    assert outcome.locations
    assert not {PROCESSED_URI, FAILED_URI} <= outcome.locations
    assert outcome.world.readings().items() <= (ROWS if path != "not-processed" else set())
    assert len(outcome.world.mails) <= 1


def assert_a_retry_succeeded(outcome: Outcome, path: str, fault: Fault) -> None:
    """Exception: it is unknown whether a mail was sent if the function ended while it sent it."""
    in_the_mail_step = fault.operation in ("PutItem", "SendEmail", "UpdateItem")
    expected = {
        "processed": ("SUCCEEDED", None, {PROCESSED_URI}),
        "in-segments": ("SUCCEEDED", None, {PROCESSED_URI}),
        "not-processed": ("FAILED", "NoValidReadingsError", {FAILED_URI}),
        "not-moved": ("FAILED", "MoveFailedError", {SOURCE_URI}),
    }[path]
    if path in ("processed", "in-segments") and in_the_mail_step and outcome.run.error is not None:
        expected = ("FAILED", "EmailOutcomeUnknownError", {PROCESSED_URI})
    assert (outcome.run.status, outcome.run.error, outcome.locations) == expected
    if not in_the_mail_step or fault.kind is Kind.RESPONSE_LOST:
        assert len(outcome.world.mails) == 1
    if path != "not-processed":
        assert outcome.world.readings() == READINGS


def assert_the_status_is_true(outcome: Outcome) -> None:
    run, mails = outcome.run, outcome.world.mails
    if run.status == "SUCCEEDED":
        assert [mail.subject for mail in mails] == ["File processed"]
        assert run.output["email"]["messageId"] == mails[0].id
    if run.error in ("EmailNotSentError", "EmailOutcomeUnknownError"):
        assert mails == [] or run.error == "EmailOutcomeUnknownError"
        assert outcome.locations == {PROCESSED_URI}
    if run.status == "SUCCEEDED" or run.error in (
        "EmailNotSentError",
        "EmailOutcomeUnknownError",
        "MoveFailedError",
    ):
        assert outcome.world.readings() == READINGS
        assert FAILED_URI not in outcome.locations


def assert_the_mail_is_true(outcome: Outcome) -> None:
    if not outcome.world.mails:
        return
    facts, subject = outcome.mail_facts, outcome.world.mails[0].subject
    location = facts.get("Location", "")
    named = {uri for uri in (SOURCE_URI, PROCESSED_URI, FAILED_URI) if uri in location}
    unknown = {uri for uri in named if f"{uri} could not be checked" in location}
    assert named - unknown == outcome.locations - unknown
    assert unknown or named
    stored = facts.get("Readings stored", "")
    if stored.isdecimal():
        assert len(outcome.world.readings()) == int(stored)
    elif stored == "none":
        assert not outcome.world.readings()
    expected = {
        "SUCCEEDED": "File processed",
        "EmailOutcomeUnknownError": "File processed",
        "MoveFailedError": "File processed, but moving it failed",
    }
    assert subject == expected.get(outcome.run.error or outcome.run.status, "File not processed")
