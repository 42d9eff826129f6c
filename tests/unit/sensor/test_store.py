"""Every reading reaches the table, the last of a key stays, and nothing hangs."""

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from handlers.sensor.deadline import Deadline
from handlers.sensor.errors import IngestionTimeoutError
from handlers.sensor.readings import Reading
from handlers.sensor.store import BACKOFF, ReadingStore
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import FakeContext, client_error

from .fakes import FakeDynamoDB

pytestmark = pytest.mark.timeout(30)


def store(dynamodb: Any, context: FakeContext | None = None, **options: Any) -> ReadingStore:
    deadline = Deadline(context or FakeContext())
    return ReadingStore(dynamodb, "readings", deadline, **{"backoff": lambda _: 0.0} | options)


def fill(readings: ReadingStore, times: Iterable[int] = (1,)) -> None:
    for time in times:
        readings.put(Reading("a", time, "1"))


def test_readings_are_stored_in_full_batches() -> None:
    # Given more readings than one batch holds
    dynamodb = FakeDynamoDB()

    # When they are stored by one lane
    with store(dynamodb, lanes=1) as readings:
        for time in range(60):
            readings.put(Reading("a", time, str(time)))

    # Then all of them are there, after three requests
    assert dynamodb.items == {("a", time): str(time) for time in range(60)}
    assert dynamodb.requests == 3


@pytest.mark.parametrize("lanes", [1, 3, 16])
@pytest.mark.parametrize("trouble", [0, 40], ids=["calm", "throttled"])
def test_the_last_of_a_key_stays(lanes: int, trouble: int) -> None:
    dynamodb = FakeDynamoDB(trouble=trouble)
    with store(dynamodb, lanes=lanes) as readings:
        for turn in range(50):
            for time in range(40):
                readings.put(Reading("a", time, str(turn)))
    assert dynamodb.items == {("a", time): "49" for time in range(40)}


def test_one_sensor_is_spread_over_the_lanes() -> None:
    # Given a table that lets four requests meet before it answers any
    dynamodb = FakeDynamoDB()
    meeting = threading.Barrier(4, timeout=10)

    def meet() -> None:
        meeting.wait()

    dynamodb.before = meet

    # When one sensor's readings fill four lanes, then four lanes work at once
    with store(dynamodb, lanes=4, batch_size=25) as readings:
        lanes: list[list[int]] = [[] for _ in range(4)]
        time = 0
        while any(len(lane) < 25 for lane in lanes):
            lane = lanes[hash(("a", time)) % 4]
            if len(lane) < 25:
                lane.append(time)
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
def test_throttling_is_waited_out(error: Exception) -> None:
    # Given a table that throttles far more often than any client retries
    dynamodb, left, pauses = FakeDynamoDB(), iter(range(100)), []

    def throttle() -> None:
        if next(left, None) is not None:
            raise error

    dynamodb.before = throttle

    def backoff(attempt: int) -> float:
        pauses.append(attempt)
        return 0.0

    # When a reading is stored
    with store(dynamodb, backoff=backoff) as readings:
        readings.put(Reading("a", 1, "1"))

    # Then it is there, and each pause was for a later attempt
    assert dynamodb.items == {("a", 1): "1"}
    assert pauses == list(range(1, 101))


def test_pauses_grow_and_are_random_and_bounded() -> None:
    pauses = [BACKOFF(attempt) for attempt in range(30) for _ in range(20)]
    assert all(0 <= pause <= 5 for pause in pauses)
    assert max(BACKOFF(0) for _ in range(50)) <= 0.05
    assert len(set(pauses)) > 500


def test_a_fault_or_two_are_survived() -> None:
    dynamodb, faults = FakeDynamoDB(), iter(range(5))

    def fail() -> None:
        if next(faults, None) is not None:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    dynamodb.before = fail
    with store(dynamodb) as readings:
        readings.put(Reading("a", 1, "1"))
    assert dynamodb.items == {("a", 1): "1"}


def failing(dynamodb: FakeDynamoDB, error: Exception) -> FakeDynamoDB:
    def fail() -> None:
        raise error

    dynamodb.before = fail
    return dynamodb


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(
            ReadTimeoutError(endpoint_url="https://dynamodb"), AwsUnavailableError, id="silence"
        ),
        pytest.param(client_error("InternalServerError", 500), AwsUnavailableError, id="faults"),
        pytest.param(client_error("AccessDeniedException"), Exception, id="access-denied"),
        pytest.param(KeyError("a bug"), KeyError, id="a-bug"),
    ],
)
def test_a_lane_that_fails_stops_the_file(error: Exception, raised: type[Exception]) -> None:
    # Given a table that fails, and far more readings than the lanes can hold
    dynamodb = failing(FakeDynamoDB(), error)

    # When they are stored, then the failure comes out long before the last
    times = iter(range(100_000))
    with pytest.raises(raised), store(dynamodb, lanes=2) as readings:
        fill(readings, times)
    assert next(times) < 1_000
    assert dynamodb.requests == 0


def test_a_failure_at_the_end_is_raised_as_well() -> None:
    dynamodb = failing(FakeDynamoDB(), client_error("AccessDeniedException"))
    with pytest.raises(Exception, match="AccessDenied"), store(dynamodb) as readings:
        readings.put(Reading("a", 1, "1"))


def test_an_error_of_the_caller_is_not_replaced_and_ends_the_threads() -> None:
    dynamodb = FakeDynamoDB()
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), store(dynamodb) as readings:
        fill(readings, (1 // time for time in (1, 0)))
    assert threading.active_count() == before
    assert dynamodb.items == {}  # what was not sent yet is not sent any more


def test_time_that_runs_out_fails_the_file() -> None:
    context = FakeContext()
    dynamodb = FakeDynamoDB()
    readings = store(dynamodb, context)
    context.remaining_ms = 10_000
    with pytest.raises(IngestionTimeoutError), readings:
        fill(readings, range(100_000))
    assert dynamodb.requests == 0


def test_time_that_runs_out_while_batches_wait_fails_the_file() -> None:
    # Given a lane that is slow with its first batch, until all others wait and time is over
    dynamodb, context, queued = FakeDynamoDB(), FakeContext(), threading.Event()
    readings = store(dynamodb, context, lanes=1, batch_size=1)

    def answer_late() -> None:
        assert queued.wait(10)
        context.remaining_ms = 10_000

    dynamodb.before = answer_late

    def times() -> Iterator[int]:
        yield from range(4)
        queued.set()

    # When they are stored, then what waits is not sent any more
    with pytest.raises(IngestionTimeoutError), readings:
        fill(readings, times())
    assert dynamodb.requests == 1


def test_time_that_would_run_out_in_a_pause_fails_the_file_at_once() -> None:
    # Given a table that only throttles, and a pause longer than the time there is
    dynamodb = failing(FakeDynamoDB(), client_error("ThrottlingException"))
    context = FakeContext(remaining_ms=60_000)

    # When a reading is stored, then nobody waits
    with (
        pytest.raises(IngestionTimeoutError),
        store(dynamodb, context, backoff=lambda _: 3600.0) as readings,
    ):
        readings.put(Reading("a", 1, "1"))


def test_a_failure_wakes_lanes_that_pause() -> None:
    # Given a lane that pauses for an hour, and one that fails while it does
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
    readings = store(Table(), context, lanes=2, batch_size=1, backoff=backoff)
    with pytest.raises(Exception, match="AccessDenied"), readings:
        list(map(readings.put, (Reading("throttled", 0, "1"), Reading("other", time, "1"))))
