"""Storing a file: the counts, errors and memory use."""

import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.sensor import ingest as module
from handlers.sensor import object_writer, source
from handlers.sensor.errors import (
    IngestionTimeoutError,
    NoValidReadingsError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.sensor.ingest import ingest
from handlers.sensor.ingestion import Ingestion
from handlers.sensor.source import ObjectRef
from handlers.sensor.store import ReadingStore
from handlers.sensor.time_budget import TimeBudget
from handlers.shared.errors import AwsUnavailableError
from tests.support.dynamodb_http import HttpTable
from tests.support.s3_objects import opened_with
from tests.unit.fakes import FakeContext, client_error

from .fakes import FakeBody, FakeDynamoDB, FakeS3

FILE = ObjectRef("bucket", "file.csv")
REJECTED = "rejected/file.csv.csv"


@contextmanager
def aws(s3: FakeS3, dynamodb: FakeDynamoDB, **options: Any) -> Iterator[None]:
    """Replace AWS by the fakes and set options of the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "open_object", opened_with(lambda: s3))
        patch.setattr(object_writer, "shared_bucket", lambda name: s3)
        connect = HttpTable(dynamodb.batch_write_item).connect
        patch.setattr(module, "ReadingStore", partial(ReadingStore, connect=connect, **options))
        yield


def ingest_chunks(
    chunks: Iterable[bytes],
    dynamodb: FakeDynamoDB,
    s3: FakeS3 | None = None,
    context: FakeContext | None = None,
    **options: Any,
) -> Ingestion:
    s3 = s3 or FakeS3()
    s3.body = s3.body or FakeBody(chunks)
    with aws(s3, dynamodb, **{"backoff": lambda _: 0.0} | options):
        return ingest(
            FILE,
            table="readings",
            target_bucket="target",
            time_budget=TimeBudget(context or FakeContext()),
        )


def test_the_result_counts_every_row() -> None:
    # Given a file with a header, a blank line, two rows for one key and an invalid row
    content = b"sensor,timestamp,value\na,2,1.50\n\nb,1,2\na,2,1.7\nnonsense\n"
    dynamodb, s3 = FakeDynamoDB(), FakeS3()

    # When it is ingested
    result = ingest_chunks([content], dynamodb, s3).as_dict()

    # Then the later row stays, and each row is counted
    assert dynamodb.items == {("a", 2): "1.7", ("b", 1): "2"}
    assert result.pop("seconds") >= 0
    assert result == {
        "stored": 2,
        "duplicates": 1,
        "rejected": 1,
        "rejectedKey": REJECTED,
        "sensors": 2,
        "firstTimestamp": 1,
        "lastTimestamp": 2,
        "etag": "the-etag",
        "versionId": "the-version",
    }
    assert s3.objects[REJECTED] == b'line,reason,row\n6,"there must be 3 fields, not 1",nonsense\n'
    assert s3.body
    assert s3.body.closed


def test_a_file_without_rejected_rows_has_no_rejected_key() -> None:
    s3 = FakeS3()
    assert "rejectedKey" not in ingest_chunks([b"a,1,2"], FakeDynamoDB(), s3).as_dict()
    assert s3.objects == {}


@pytest.mark.parametrize(
    ("content", "rejected"),
    [
        pytest.param(b"\n\nid,time,value\na,1,2", 0, id="header-after-blank-lines"),
        pytest.param(b"\xef\xbb\xbfid,time,value\na,1,2", 0, id="header-after-a-bom"),
        pytest.param(b"a,1,2\nid,time,value", 1, id="header-after-a-reading"),
        pytest.param(b"rubbish\nid,time,value\na,1,2", 2, id="header-after-rubbish"),
        pytest.param(b"id,time,value\nid,time,value\na,1,2", 1, id="header-twice"),
    ],
)
def test_only_a_header_in_the_first_row_is_skipped(content: bytes, rejected: int) -> None:
    assert ingest_chunks([content], FakeDynamoDB()).rejected == rejected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "s3://bucket/file.csv has no rows.", id="empty"),
        pytest.param(b"\n \n", "s3://bucket/file.csv has no rows.", id="blank"),
        pytest.param(b"id,time,value\n", "s3://bucket/file.csv has no rows.", id="header-only"),
        pytest.param(
            b"x\ny\n",
            "s3://bucket/file.csv has no valid reading: 2 rows were rejected, "
            "see s3://target/rejected/file.csv.csv.",
            id="rubbish",
        ),
    ],
)
def test_a_file_without_a_valid_reading_fails(content: bytes, message: str) -> None:
    s3 = FakeS3()
    with pytest.raises(NoValidReadingsError) as raised:
        ingest_chunks([content], FakeDynamoDB(), s3)
    assert str(raised.value) == message
    assert (REJECTED in s3.objects) == ("rejected" in message)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(AwsUnavailableError("reset"), AwsUnavailableError, id="unavailable"),
        pytest.param(client_error("InternalError", 500), AwsUnavailableError, id="internal"),
        pytest.param(
            client_error("PreconditionFailed", 412), SourceObjectChangedError, id="changed"
        ),
        pytest.param(client_error("NoSuchKey", 404), SourceObjectMissingError, id="deleted"),
    ],
)
def test_a_file_of_which_a_part_cannot_be_read(error: Exception, raised: type[Exception]) -> None:
    # Given a file that cannot be read any more after a reading and a rejected row
    s3 = FakeS3(body=FakeBody([b"a,1,2\nrubbish\n"], error=error))

    # When it is ingested, then the error says why, and no rejected rows are written
    with pytest.raises(raised):
        ingest_chunks([], FakeDynamoDB(), s3)
    assert s3.objects == {}
    assert s3.body
    assert s3.body.closed


@pytest.mark.parametrize("row", [b"a,%d,1\n", b"rubbish %d\n"], ids=["readings", "rejected"])
def test_ingestion_stops_before_the_time_limit(row: bytes) -> None:
    # Given an endless file and a limited time
    context = FakeContext()

    def endless() -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            context.remaining_ms -= 1_000
            yield b"".join(row % (100 * number + i) for i in range(100))

    # When it is ingested, then it fails before the time limit
    with pytest.raises(IngestionTimeoutError):
        ingest_chunks(endless(), FakeDynamoDB(), context=context)
    assert context.remaining_ms > 0


def test_storing_a_file_again_leaves_the_table_unchanged() -> None:
    content = b"a,1,1\nb,1,2\na,1,3\nc,1,4\n"
    dynamodb = FakeDynamoDB()
    ingest_chunks([content], dynamodb)
    once = dict(dynamodb.items)
    ingest_chunks([content], dynamodb)
    assert dynamodb.items == once


@pytest.mark.slow
def test_memory_is_bounded_for_a_large_file() -> None:
    # Given 10 MB of rows, one in ten rejected, generated while they are read
    rows = 100_000

    def content() -> Iterator[bytes]:
        for start in range(0, rows, 1000):
            yield b"".join(
                b"%s,%s,1\n" % (b"s%03d" % (i % 50) * 20, b"x" if i % 10 == 0 else b"%d" % i)
                for i in range(start, start + 1000)
            )

    dynamodb = FakeDynamoDB(keeps_items=False)

    # When it is ingested
    tracemalloc.start()
    result = ingest_chunks(content(), dynamodb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Then all rows were counted, and only a fraction of the file was in memory
    assert (result.stored, result.rejected) == (rows * 9 // 10, rows // 10)
    assert peak < 12 * 1024 * 1024


sensors = st.sampled_from(["a", "b", "0000-0001", "Zürich", "a,b"])
valid = st.tuples(
    sensors,
    st.integers(-3, 5),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99),
)
invalid = st.sampled_from([b"rubbish", b"a,1", b"a,x,1", b"a,1,x", b"\xff,1,1", b'"a,1,1', b",1,1"])
blank = st.sampled_from([b"", b"  "])
endings = st.sampled_from([b"\n", b"\r\n"])


@settings(max_examples=150)
@given(
    rows=st.lists(valid | invalid | blank, min_size=1, max_size=120),
    ending=endings,
    bom=st.booleans(),
    chunk=st.integers(1, 400),
    connections=st.integers(1, 6),
    window=st.integers(1, 200),
    batch_size=st.integers(1, 25),
    fault_percent=st.integers(0, 45),
    seed=st.integers(),
)
def test_the_table_has_the_same_content_as_a_dict(
    rows: list[tuple[str, int, Decimal] | bytes],
    ending: bytes,
    bom: bool,
    chunk: int,
    connections: int,
    window: int,
    batch_size: int,
    fault_percent: int,
    seed: int,
) -> None:
    # Given any rows, and a dict with the expected readings
    table: dict[tuple[str, int], Decimal] = {}
    lines, valid_rows, rejected = [], 0, 0
    for row in rows:
        if isinstance(row, bytes):
            lines.append(row)
            rejected += bool(row.strip())
        else:
            sensor, time, value = row
            table[sensor, time] = value
            valid_rows += 1
            field = f'"{sensor}"' if "," in sensor else sensor
            lines.append(f"{field},{time},{value}".encode())
    content = b"\xef\xbb\xbf" * bom + ending.join(lines)
    chunks = [content[start : start + chunk] for start in range(0, len(content), chunk)]
    dynamodb, s3 = FakeDynamoDB(fault_percent=fault_percent, seed=seed), FakeS3()

    # When they are ingested, with any chunks, connections and batches
    options = {"connections": connections, "window": window, "batch_size": batch_size}
    if not table:
        with pytest.raises(NoValidReadingsError):
            ingest_chunks(chunks, dynamodb, s3, **options)
        assert dynamodb.items == {}
        return
    result = ingest_chunks(chunks, dynamodb, s3, **options)

    # Then the table equals the dict, and so do the counts
    assert {key: Decimal(value) for key, value in dynamodb.items.items()} == table
    times = [time for _, time in table]
    assert (result.stored, result.duplicates) == (len(table), valid_rows - len(table))
    assert result.sensors == len({sensor for sensor, _ in table})
    assert (result.first_timestamp, result.last_timestamp) == (min(times), max(times))
    assert result.rejected == rejected
    written = s3.objects.get(REJECTED, b"")
    assert written.count(b"\n") == (rejected + 1 if rejected else 0)
