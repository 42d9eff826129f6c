"""Storing readings in DynamoDB with parallel writers."""

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from handlers.sensor.errors import IngestionTimeoutError
from handlers.sensor.readings import Reading
from handlers.sensor.store import BACKOFF, ReadingStore
from handlers.sensor.time_budget import TimeBudget
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import FakeContext, client_error

from .fakes import FakeDynamoDB

pytestmark = pytest.mark.timeout(30)


def store(dynamodb: Any, context: FakeContext | None = None, **options: Any) -> ReadingStore:
    time_budget = TimeBudget(context or FakeContext())
    return ReadingStore(dynamodb, "readings", time_budget, **{"backoff": lambda _: 0.0} | options)


def fill(readings: ReadingStore, times: Iterable[int] = (1,)) -> None:
    for time in times:
        readings.put(Reading("a", time, "1"))


def test_readings_are_stored_in_full_batches() -> None:
    # Given more readings than one batch holds
    dynamodb = FakeDynamoDB()

    # When they are stored by one writer
    with store(dynamodb, writers=1) as readings:
        for time in range(60):
            readings.put(Reading("a", time, str(time)))

    # Then all of them are in the table, after three requests
    assert dynamodb.items == {("a", time): str(time) for time in range(60)}
    assert dynamodb.requests == 3


@pytest.mark.parametrize("writers", [1, 3, 16])
@pytest.mark.parametrize("fault_percent", [0, 40], ids=["no-faults", "faults"])
def test_the_last_reading_of_a_key_is_kept(writers: int, fault_percent: int) -> None:
    dynamodb = FakeDynamoDB(fault_percent=fault_percent)
    with store(dynamodb, writers=writers) as readings:
        for version in range(50):
            for time in range(40):
                readings.put(Reading("a", time, str(version)))
    assert dynamodb.items == {("a", time): "49" for time in range(40)}


def test_the_readings_of_one_sensor_are_spread_over_the_writers() -> None:
    # Given a table that responds only when four requests are in progress
    dynamodb = FakeDynamoDB()
    barrier = threading.Barrier(4, timeout=10)

    def wait_for_others() -> None:
        barrier.wait()

    dynamodb.before_request = wait_for_others

    # When one sensor's readings fill four writers, then four writers work at once
    with store(dynamodb, writers=4, batch_size=25) as readings:
        writers: list[list[int]] = [[] for _ in range(4)]
        time = 0
        while any(len(writer) < 25 for writer in writers):
            writer = writers[hash(("a", time)) % 4]
            if len(writer) < 25:
                writer.append(time)
                readings.put(Reading("a", time, "1"))
            time += 1
    assert len(dynamodb.items) == 100


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(client_error("ProvisionedThroughputExceededException"), id="throughput"),
        pytest.param(client_error("ThrottlingException"), id="throttling"),
    ],
)
def test_throttled_requests_are_retried(error: Exception) -> None:
    # Given a table that throttles more often than an SDK client retries
    dynamodb, throttled, pauses = FakeDynamoDB(), iter(range(100)), []

    def throttle() -> None:
        if next(throttled, None) is not None:
            raise error

    dynamodb.before_request = throttle

    def backoff(attempt: int) -> float:
        pauses.append(attempt)
        return 0.0

    # When a reading is stored
    with store(dynamodb, backoff=backoff) as readings:
        readings.put(Reading("a", 1, "1"))

    # Then it is stored, and each pause was for a later attempt
    assert dynamodb.items == {("a", 1): "1"}
    assert pauses == list(range(1, 101))


def test_pauses_are_random_and_bounded() -> None:
    pauses = [BACKOFF(attempt) for attempt in range(30) for _ in range(20)]
    assert all(0 <= pause <= 5 for pause in pauses)
    assert max(BACKOFF(0) for _ in range(50)) <= 0.05
    assert len(set(pauses)) > 500


def test_a_few_errors_in_a_row_are_retried() -> None:
    dynamodb, faults = FakeDynamoDB(), iter(range(5))

    def fail() -> None:
        if next(faults, None) is not None:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    dynamodb.before_request = fail
    with store(dynamodb) as readings:
        readings.put(Reading("a", 1, "1"))
    assert dynamodb.items == {("a", 1): "1"}


def failing(dynamodb: FakeDynamoDB, error: Exception) -> FakeDynamoDB:
    def fail() -> None:
        raise error

    dynamodb.before_request = fail
    return dynamodb


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(
            ReadTimeoutError(endpoint_url="https://dynamodb"), AwsUnavailableError, id="no-response"
        ),
        pytest.param(client_error("InternalServerError", 500), AwsUnavailableError, id="errors"),
        pytest.param(client_error("AccessDeniedException"), Exception, id="access-denied"),
        pytest.param(KeyError("a bug"), KeyError, id="a-bug"),
    ],
)
def test_a_failing_writer_stops_the_others(error: Exception, raised: type[Exception]) -> None:
    # Given a table that fails, and more readings than the queues can hold
    dynamodb = failing(FakeDynamoDB(), error)

    # When they are stored, then the error is raised long before the last reading
    times = iter(range(100_000))
    with pytest.raises(raised), store(dynamodb, writers=2) as readings:
        fill(readings, times)
    assert next(times) < 1_000
    assert dynamodb.requests == 0


def test_an_error_in_the_last_batch_is_raised() -> None:
    dynamodb = failing(FakeDynamoDB(), client_error("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied"), store(dynamodb) as readings:
        readings.put(Reading("a", 1, "1"))


def test_an_error_of_the_caller_is_kept_and_ends_the_threads() -> None:
    dynamodb = FakeDynamoDB()
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError), store(dynamodb) as readings:
        fill(readings, (1 // time for time in (1, 0)))
    assert threading.active_count() == threads
    assert dynamodb.items == {}  # pending readings are dropped


def test_an_exceeded_time_budget_is_an_error() -> None:
    context = FakeContext()
    dynamodb = FakeDynamoDB()
    readings = store(dynamodb, context)
    context.remaining_ms = 10_000
    with pytest.raises(IngestionTimeoutError), readings:
        fill(readings, range(100_000))
    assert dynamodb.requests == 0


def test_queued_batches_are_dropped_when_the_time_budget_is_exceeded() -> None:
    # Given a writer whose first batch takes until all others are queued and the time is over
    dynamodb, context, queued = FakeDynamoDB(), FakeContext(), threading.Event()
    readings = store(dynamodb, context, writers=1, batch_size=1)

    def respond_late() -> None:
        assert queued.wait(10)
        context.remaining_ms = 10_000

    dynamodb.before_request = respond_late

    def times() -> Iterator[int]:
        yield from range(4)
        queued.set()

    # When they are stored, then the queued batches are not sent
    with pytest.raises(IngestionTimeoutError), readings:
        fill(readings, times())
    assert dynamodb.requests == 1


def test_a_pause_beyond_the_time_budget_is_an_error_at_once() -> None:
    # Given a table that only throttles, and a pause longer than the time budget
    dynamodb = failing(FakeDynamoDB(), client_error("ThrottlingException"))
    context = FakeContext(remaining_ms=60_000)

    # When a reading is stored, then it fails without a pause
    with (
        pytest.raises(IngestionTimeoutError),
        store(dynamodb, context, backoff=lambda _: 3600.0) as readings,
    ):
        readings.put(Reading("a", 1, "1"))


def test_an_error_ends_the_pauses_of_other_writers() -> None:
    # Given a writer that pauses for an hour, and one that fails in the meantime
    paused = threading.Event()

    def backoff(_: int) -> float:
        paused.set()
        return 3600.0

    class Table:
        def batch_write_item(self, **request: Any) -> dict[str, Any]:
            (write, *_) = request["RequestItems"]["readings"]
            if write["PutRequest"]["Item"]["sensor_id"]["S"] == "throttled":
                raise client_error("ThrottlingException")
            assert paused.wait(10)
            raise client_error("AccessDeniedException")

    time = next(t for t in range(99) if hash(("other", t)) % 2 != hash(("throttled", 0)) % 2)
    context = FakeContext(remaining_ms=2**40)
    readings = store(Table(), context, writers=2, batch_size=1, backoff=backoff)
    with pytest.raises(Exception, match="AccessDenied"), readings:
        list(map(readings.put, (Reading("throttled", 0, "1"), Reading("other", time, "1"))))
