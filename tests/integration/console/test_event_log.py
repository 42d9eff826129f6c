"""The console's view of the event log, as the service writes it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from console.aws import Aws, NotAllowedError, NotFoundError
from console.events import KEYS, EventLog, starting
from handlers.observability import event_log as writing
from handlers.observability.event_record import event_record
from handlers.shared import clients
from tests.integration.observability.conftest import create_table

REGION = "us-east-1"
TABLE = "events"
START = 1_800_000_000  # seconds since 1970
Record = Callable[..., str]
STATUS_CHANGE = "Step Functions Execution Status Change"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        clients.client.cache_clear()
        found = Aws(boto3.Session(region_name=REGION))
        create_table(TABLE)
        yield found
    clients.client.cache_clear()


class Clock:
    """The time for the console and for the functions that record events."""

    def __init__(self) -> None:
        self.second = 0

    def now(self) -> int:
        return (START + self.second) * 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("console.events.now", clock.now)
    monkeypatch.setattr("handlers.observability.event_log.now", lambda: clock.now() / 1000)
    return clock


@pytest.fixture
def log(aws: Aws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> EventLog:
    monkeypatch.setattr(EventLog.refresh, "__defaults__", (0.0,))
    # An hour of the log costs a request. An empty month: test_an_empty_log_is_read_to_its_end.
    monkeypatch.setattr(EventLog, "_begin_of_log", lambda _: "2027-01-15T00")
    clock.second = 60
    return EventLog(aws, TABLE)


@pytest.fixture
def record(clock: Clock) -> Record:
    """Record an event of a second: at that second, or later. The clock is set to it."""

    def record(
        second: int,
        *,
        run: str | None = None,
        kind: str = "thing",
        at: int | None = None,
        **detail: Any,
    ) -> str:
        event_id = f"00000000-0000-0000-0000-{second:012d}"
        if run:
            detail["execution"] = execution(run)
        clock.second = max(clock.second, second if at is None else at)
        keep(
            {
                "id": event_id,
                "time": time_of(second),
                "source": "shop",
                "detail-type": kind,
                "detail": detail,
            },
            (START + second) * 1000,
        )
        return event_id

    return record


def keep(envelope: dict[str, Any], received: int) -> None:
    found = event_record(envelope, machine_prefix="stepworks-test-", received=received, hashed=str)
    assert writing.EventLog(TABLE).record([found], days=1) == []


def time_of(second: int) -> str:
    return datetime.fromtimestamp(START + second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def execution(run: str) -> str:
    return f"arn:aws:states:{REGION}:123456789012:execution:shop-m:{run}"


def ids(log: EventLog, before: str = "", limit: int = 100, text: str = "") -> list[str]:
    return [entry.id for entry in log.page(text, "", "", before, limit)[0]]


def test_events_of_all_runs_are_in_one_order(log: EventLog, record: Record) -> None:
    written = [
        record(1, run="a"),
        record(2, run="b"),
        record(3),
        record(4, run="a"),
        record(5, run="b"),
    ]

    assert ids(log) == written[::-1]


def test_new_events_are_told_once(log: EventLog, record: Record) -> None:
    record(1, run="a")
    log.refresh()
    new = record(2, run="a")
    other = record(3, run="b")

    assert {entry.id for entry in log.news()} == {new, other}
    assert log.news() == []


def test_what_the_request_of_one_page_reads_is_told_to_all(log: EventLog, record: Record) -> None:
    record(1, run="a")
    log.refresh()
    new = record(2, run="a")

    assert new in ids(log)
    assert [entry.id for entry in log.news()] == [new]


def test_a_page_is_not_answered_from_before_when_the_last_read_was_refused(
    log: EventLog, aws: Aws, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventLog.refresh, "__defaults__", (3600.0,))
    known = record(1)
    assert ids(log) == [known]
    with monkeypatch.context() as refusing:

        def refuse(*_: object, **__: object) -> None:
            raise NotAllowedError("No permission for dynamodb:Query.", "Ask.")

        refusing.setattr(aws, "call", refuse)
        with pytest.raises(NotAllowedError):
            log.news()
        with pytest.raises(NotAllowedError):
            ids(log)

    assert ids(log) == [known]


@pytest.mark.parametrize("minutes", [0, 5, 90, 60 * 30], ids=str)
@pytest.mark.parametrize("run", ["a", "another", None])
def test_an_event_that_is_recorded_late_is_found_in_its_place(
    log: EventLog, record: Record, minutes: int, run: str | None
) -> None:
    before, after = record(1, run="a"), record(9, run="a")
    log.refresh()
    newest = record(60 * minutes + 10, run="b")
    assert [entry.id for entry in log.news()] == [newest]
    late = record(5, run=run, at=60 * minutes + 11)

    assert [entry.id for entry in log.news()] == [late]
    assert ids(log) == [newest, after, late, before]


def test_a_late_event_of_an_old_run_is_found_although_many_runs_are_newer(
    log: EventLog, record: Record
) -> None:
    record(1, run="old")
    for second in range(2, KEYS + 20):
        record(second, run=f"r{second}")
    log.refresh()
    late = record(2000, run="old", at=2001)

    assert [entry.id for entry in log.news()] == [late]


def test_what_a_function_recorded_whose_clock_is_behind_is_found(
    log: EventLog, record: Record, clock: Clock
) -> None:
    log.refresh()
    newest = record(100)
    assert [entry.id for entry in log.news()] == [newest]
    clock.second = 93
    behind = record(93)

    assert [entry.id for entry in log.news()] == [behind]


@pytest.mark.parametrize("off", [-290, 290], ids=["behind", "ahead"])
def test_the_clock_of_the_console_may_be_wrong(
    log: EventLog, record: Record, clock: Clock, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    """By as much as AWS allows; here it is about a new hour, too."""
    monkeypatch.setattr("console.events.now", lambda: clock.now() + off * 1000)
    hour = 3600 - START % 3600
    clock.second = hour - 3
    log.refresh()
    for second in range(hour - 2, hour + 2):
        written = record(second)
        assert [entry.id for entry in log.news()] == [written]


def test_an_event_that_is_recorded_again_is_told_once(log: EventLog, record: Record) -> None:
    log.refresh()
    once = record(1)
    assert [entry.id for entry in log.news()] == [once]
    record(1, at=100)

    assert log.news() == []
    assert ids(log) == [once]


def test_an_event_of_this_moment_is_found_whatever_was_read_just_now(
    log: EventLog, record: Record
) -> None:
    for second in range(1, 6):
        log.refresh()
        written = record(second)
        assert [entry.id for entry in log.news()] == [written]


def test_pages_miss_nothing_and_repeat_nothing(
    log: EventLog, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.events.KEYS", 3)
    written = [record(second, run=f"r{second % 11}") for second in range(40)]
    written += [record(second) for second in range(40, 60)]

    assert paged(log) == written[::-1]


def test_pages_go_back_over_hours_without_events(log: EventLog, record: Record) -> None:
    hours = (0, 1, 2, 9, 10, 60, 61, 200)
    written = [
        record(hour * 3600 + n * 700, at=hour * 3600 + 3000) for hour in hours for n in (1, 2)
    ]
    written.append(record(300 * 3600, at=301 * 3600))

    assert paged(log) == written[::-1]


def test_events_that_were_recorded_late_are_in_their_place_on_the_pages(
    log: EventLog, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.events.KEYS", 3)
    late = {second: second * 10 + second % 7 * 600 for second in range(50)}
    written = [
        record(second * 10, at=late[second]) for second in sorted(late, key=late.__getitem__)
    ]

    assert paged(log) == sorted(written, reverse=True)


def paged(log: EventLog) -> list[str]:
    """All events, by pages of seven."""
    found: list[str] = []
    before: str | None = ""
    while before is not None:
        page, before = log.page("", "", "", before, 7)
        found += [entry.id for entry in page]
    return found


@pytest.mark.parametrize("created", ["at once", "long ago"])
def test_an_empty_log_is_read_to_its_end(
    aws: Aws, clock: Clock, monkeypatch: pytest.MonkeyPatch, created: str
) -> None:
    """The hours since its table was created, or a month."""
    asked: list[str] = []
    call = aws.call
    begin = START - (2 if created == "at once" else 90 * 24) * 3600

    def counted(service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        asked.append(operation)
        if operation == "describe_table":
            return {"Table": {"CreationDateTime": datetime.fromtimestamp(begin, UTC)}}
        return call(service, operation, **arguments)

    monkeypatch.setattr(aws, "call", counted)
    log = EventLog(aws, TABLE)

    assert ids(log) == []
    assert asked.count("query") < (6 if created == "at once" else 31 * 24 + 6)
    asked.clear()
    assert ids(log) == []
    assert asked.count("query") == 0  # it was read just now
    assert log.news() == []
    assert asked.count("query") <= 2


def test_no_hours_are_asked_for_whose_events_are_deleted(
    aws: Aws, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(aws, TABLE)
    monkeypatch.setattr(log, "_begin", "")
    record(1)
    asked: list[str] = []
    call = aws.call

    def counted(service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        asked.append(operation)
        return call(service, operation, **arguments)

    monkeypatch.setattr(aws, "call", counted)

    assert len(ids(log)) == 1
    assert 20 < asked.count("query") < 30  # an event is kept for a day


def test_an_old_event_is_found_by_its_id(
    log: EventLog, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.events.KEYS", 2)
    written = [record(second, run=f"r{second}") for second in range(9)]

    assert log.get(written[0]).id == written[0]
    with pytest.raises(NotFoundError):
        log.get("no-such-event")


@pytest.mark.parametrize("order", ["cause first", "run first"])
def test_a_run_has_the_event_that_started_it(log: EventLog, record: Record, order: str) -> None:
    log.refresh()
    if order == "cause first":
        given = record(1)
        assert [log.run_of(entry) for entry in log.news()] == [None]
        started = run_started(given)
        # The event is told again: its row has the run now.
        assert {entry.id for entry in log.news()} == {started, given}
    else:
        started = run_started(f"00000000-0000-0000-0000-{1:012d}")
        assert [entry.id for entry in log.news()] == [started]
        given = record(1)
        assert [entry.id for entry in log.news()] == [given]

    entries = {entry.id: entry for entry in log.page("", "", "", "", 10)[0]}
    run = f"stepworks-test-cookies:{given}"
    assert log.run_of(entries[given]) == run
    assert [entry.id for entry in log.of_run(run)] == [given, started]
    found = starting(log.of_run(run), run)
    assert found is not None
    assert found.id == given


def test_a_run_that_no_event_started_has_no_such_event(log: EventLog, record: Record) -> None:
    record(1, run="a")

    for run in ("shop-m:a", "shop-m:unknown"):
        assert starting(log.of_run(run), run) is None


def run_started(event_id: str) -> str:
    """Record that an execution of the cookies machine runs, and that an event started it."""
    started = "00000000-0000-0000-0000-999999999999"
    arn = f"arn:aws:states:{REGION}:123456789012:execution:stepworks-test-cookies:{event_id}"
    keep(
        {
            "id": started,
            "time": time_of(2),
            "source": "aws.states",
            "detail-type": STATUS_CHANGE,
            "detail": {
                "executionArn": arn,
                "stateMachineArn": "arn",
                "name": event_id,
                "status": "RUNNING",
                "startDate": (START + 2) * 1000,
                "input": "{}",
            },
        },
        (START + 2) * 1000,
    )
    return started


def test_many_large_events_are_not_all_kept(
    log: EventLog, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.events.KEPT_BYTES", 25_000)
    written = [record(second, run=f"r{second}", text="x" * 1_000) for second in range(50)]

    found = ids(log)

    assert 5 < len(found) < 25
    assert found == written[: -len(found) - 1 : -1]


def test_the_whole_detail_is_searched(log: EventLog, record: Record) -> None:
    record(1, kind="thing", text="nothing")
    wanted = record(2, kind="thing", deep={"er": [{"word": "Needle"}]})

    assert ids(log, text="needle") == [wanted]


def test_removed_secrets_are_known(log: EventLog, record: Record) -> None:
    record(1, password="secret")
    record(2, word="open")

    assert [entry.secrets_hidden for entry in log.page("", "", "", "", 10)[0]] == [False, True]
