"""The console's view of the event log, as the service writes it."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from console.aws import Aws, NotFoundError
from console.events import EventLog
from handlers.observability import event_log as writing
from handlers.observability.event_record import event_record
from handlers.shared import clients

REGION = "us-east-1"
TABLE = "events"
START = 1_800_000_000  # seconds since 1970
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
        names = ("job", "entry", "status", "latest")
        found.client("dynamodb").create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            KeySchema=[
                {"AttributeName": "job", "KeyType": "HASH"},
                {"AttributeName": "entry", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "byStatus",
                    "KeySchema": [
                        {"AttributeName": "status", "KeyType": "HASH"},
                        {"AttributeName": "latest", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield found
    clients.client.cache_clear()


@pytest.fixture
def log(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> EventLog:
    monkeypatch.setattr("console.events.READ_AGAIN", 0.0)
    monkeypatch.setattr(EventLog.refresh, "__defaults__", (0.0,))
    return EventLog(aws, TABLE)


def record(second: int, *, run: str | None = None, kind: str = "thing", **detail: Any) -> str:
    """Store an event of a second, of a run or of none. Returns its id."""
    event_id = f"00000000-0000-0000-0000-{second:012d}"
    if run:
        detail["execution"] = execution(run)
    envelope = {
        "id": event_id,
        "time": f"2027-01-15T08:{second // 60:02d}:{second % 60:02d}Z",
        "source": "shop",
        "detail-type": kind,
        "detail": detail,
    }
    writing.EventLog(TABLE).record(
        event_record(envelope, machines="shop-", received=(START + second) * 1000, hashed=str),
        2**31,
    )
    return event_id


def execution(run: str) -> str:
    return f"arn:aws:states:{REGION}:123456789012:execution:shop-m:{run}"


def ids(log: EventLog, before: str = "", limit: int = 100, text: str = "") -> list[str]:
    return [entry.id for entry in log.page(text, "", "", before, limit)[0]]


def test_events_of_all_runs_are_in_one_order(log: EventLog) -> None:
    written = [
        record(1, run="a"),
        record(2, run="b"),
        record(3),
        record(4, run="a"),
        record(5, run="b"),
    ]

    assert ids(log) == written[::-1]


def test_new_events_are_told_once(log: EventLog) -> None:
    record(1, run="a")
    log.refresh()
    new = record(2, run="a")
    other = record(3, run="b")

    assert {entry.id for entry in log.news()} == {new, other}
    assert log.news() == []


def test_what_the_request_of_one_page_reads_is_told_to_all(log: EventLog) -> None:
    record(1, run="a")
    log.refresh()
    new = record(2, run="a")

    assert new in ids(log)
    assert [entry.id for entry in log.news()] == [new]


def test_an_event_that_comes_late_is_found(log: EventLog) -> None:
    record(1, run="a")
    record(9, run="a")
    log.refresh()
    late = record(5, run="a")

    assert [entry.id for entry in log.news()] == [late]
    assert ids(log)[1] == late


def test_pages_miss_nothing_and_repeat_nothing(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.events.JOBS", 3)
    written = [record(second, run=f"r{second % 11}") for second in range(40)]
    written += [record(second) for second in range(40, 60)]

    found: list[str] = []
    before: str | None = ""
    while before is not None:
        page, before = log.page("", "", "", before, 7)
        found += [entry.id for entry in page]

    assert found == written[::-1]


def test_an_old_event_is_found_by_its_id(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.events.JOBS", 2)
    written = [record(second, run=f"r{second}") for second in range(9)]

    assert log.get(written[0]).id == written[0]
    with pytest.raises(NotFoundError):
        log.get("no-such-event")


def test_a_run_has_the_event_that_started_it(log: EventLog) -> None:
    given = record(1)
    started = {
        "id": "00000000-0000-0000-0000-999999999999",
        "time": "2027-01-15T08:00:02Z",
        "source": "aws.states",
        "detail-type": STATUS_CHANGE,
        "detail": {
            "executionArn": execution(given),
            "stateMachineArn": "arn",
            "name": given,
            "status": "RUNNING",
            "startDate": (START + 2) * 1000,
            "input": json.dumps({"id": given, "source": "shop", "detail-type": "x", "detail": {}}),
        },
    }
    found = event_record(started, machines="shop-", received=1, hashed=str)
    assert found.change is not None
    change = found.change.__class__(**{**vars(found.change), "started_by": given})
    writing.EventLog(TABLE).record(found.__class__(**{**vars(found), "change": change}), 2**31)

    entries = {entry.id: entry for entry in log.page("", "", "", "", 10)[0]}

    assert log.run_of(entries[given]) == f"shop-m:{given}"


def test_many_large_events_are_not_all_kept(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.events.KEPT_BYTES", 50_000)
    written = [record(second, run=f"r{second}", text="x" * 1_000) for second in range(100)]

    found = ids(log)

    assert 10 < len(found) < 50
    assert found == written[: -len(found) - 1 : -1]


def test_the_whole_detail_is_searched(log: EventLog) -> None:
    record(1, kind="thing", text="nothing")
    wanted = record(2, kind="thing", deep={"er": [{"word": "Needle"}]})

    assert ids(log, text="needle") == [wanted]


def test_removed_secrets_are_known(log: EventLog) -> None:
    record(1, password="secret")
    record(2, word="open")

    assert [entry.secrets_hidden for entry in log.page("", "", "", "", 10)[0]] == [False, True]
