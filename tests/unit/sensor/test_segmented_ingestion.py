"""A file in segments: the same result as one function, in any order and with any retries."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handlers.sensor import ingest as ingest_module
from handlers.sensor.duplicates import reconcile_partition
from handlers.sensor.errors import NoValidReadingsError, SourceObjectChangedError
from handlers.sensor.ingest import ingest
from handlers.sensor.ingestion import Ingestion
from handlers.sensor.plan import Plan, plan_ingestion
from handlers.sensor.row import Row
from handlers.sensor.segment_index import index_segment
from handlers.sensor.segment_store import Deadline, number_rejected_rows, store_segment
from handlers.sensor.segments import Segment
from handlers.sensor.source import ObjectRef
from handlers.sensor.store import ReadingStore
from handlers.sensor.summary import summarise
from handlers.sensor.time_budget import TimeBudget
from tests.support.dynamodb_http import HttpTable
from tests.unit.fakes import FakeContext

from .fakes import FakeDynamoDB
from .work_fakes import ETAG, ObjectStore

KEY, EXECUTION = "file.csv", "arn:aws:states:us-east-1:123456789012:execution:machine:one"
REJECTED = f"rejected/{KEY}.csv"
Write = tuple[tuple[str, int], str]


@contextmanager
def stored_in(s3: ObjectStore, dynamodb: FakeDynamoDB | None = None) -> Iterator[None]:
    with s3.in_use(), pytest.MonkeyPatch.context() as patch:
        if dynamodb is not None:
            connect = HttpTable(dynamodb.batch_write_item).connect
            patch.setattr(ingest_module, "ReadingStore", partial(ReadingStore, connect=connect))
        yield


class Writes:
    """What an attempt writes to the table; with `limit`, it is killed after so many rows."""

    def __init__(self, limit: int | None = None) -> None:
        self.rows: list[Write] = []
        self._limit = limit

    def put(self, rows: Iterable[Row]) -> None:
        for _, sensor_id, timestamp, value, _ in rows:
            if len(self.rows) == self._limit:
                raise Killed
            key = json.loads(b'"%b"' % sensor_id), int(timestamp)
            self.rows.append((key, value.decode()))


class Killed(BaseException):
    """Lambda ends the function while it works."""


def planned(segment_bytes: int) -> Plan:
    return Plan.from_event(
        {
            "plan": plan_ingestion(
                ObjectRef("source", KEY),
                execution=EXECUTION,
                bucket="work",
                large_file_bytes=0,
                segment_bytes=segment_bytes,
            )
        }
    )


def segments_of(plan: Plan) -> list[Segment]:
    return [Segment(**fields) for fields in plan.work.get_json("segments.json")]


def run_in_segments(
    segment_bytes: int, chance: random.Random
) -> tuple[list[Write], Callable[[], Ingestion]]:
    """Everything that any attempt of any segment writes, and the last step.

    The steps of a phase run in any order, and some of them twice. Attempts to store a segment are
    killed anywhere, and continue anywhere.
    """
    plan = planned(segment_bytes)

    def with_retries(items: list[Any]) -> list[Any]:
        attempts = [item for item in items for _ in range(chance.choice([1, 1, 2]))]
        chance.shuffle(attempts)
        return attempts

    for segment in with_retries(segments_of(plan)):
        index_segment(plan, segment)
    for partition in with_retries(list(range(plan.partitions))):
        reconcile_partition(plan, partition)
    written: list[Write] = []
    for segment in with_retries(segments_of(plan)):
        number_rejected_rows(plan.work, segment.number)
        killed, complete = Writes(chance.randrange(6)), Writes()
        with suppress(Killed):
            store_segment(plan, segment, killed, Deadline(FakeContext()))
        store_segment(plan, segment, complete, Deadline(FakeContext()))
        written += killed.rows + complete.rows
    return written, lambda: summarise(plan, "target")


sensors = st.sampled_from(["a", "b", "0000-0001", "Zürich", "a,b"])
valid = st.tuples(
    sensors,
    st.integers(-3, 5),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99),
)
HEADER = b"sensor,timestamp,value"
BOM = b"\xef\xbb\xbf"
invalid = st.sampled_from(
    [b"rubbish", b"a,1", b"a,x,1", b"\xff,1,1", b'"a,1,1', BOM + b"a,1,1", HEADER]
)
blank = st.sampled_from([b"", b"  "])


def file_of(rows: list[Any], ending: bytes, bom: bool) -> tuple[bytes, dict[Any, Decimal]]:
    table: dict[tuple[str, int], Decimal] = {}
    lines = []
    for row in rows:
        if isinstance(row, bytes):
            lines.append(row)
            continue
        sensor, time, value = row
        table[sensor, time] = value
        name = f'"{sensor}"' if "," in sensor else sensor
        lines.append(f"{name},{time},{value}".encode())
    return BOM * bom + ending.join(lines), table


@settings(max_examples=250)
@given(
    rows=st.lists(valid | invalid | blank, min_size=1, max_size=40),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    bom=st.booleans(),
    segment_bytes=st.integers(3, 200),
    chunk=st.integers(1, 300),
    seed=st.integers(),
)
def test_segments_give_the_same_result_as_one_function(
    rows: list[Any],
    ending: bytes,
    bom: bool,
    segment_bytes: int,
    chunk: int,
    seed: int,
) -> None:
    # Given any file, and what one function makes of it
    content, table = file_of(rows, ending, bom)
    assume(content)
    whole, dynamodb = ObjectStore({KEY: content}, chunk=chunk), FakeDynamoDB()
    with stored_in(whole, dynamodb):
        expected = outcome_of(
            lambda: ingest(
                ObjectRef("source", KEY),
                table="readings",
                target_bucket="target",
                time_budget=TimeBudget(FakeContext()),
            )
        )

    # When it is processed in segments of any size, in any order, with retries
    chance = random.Random(seed)
    s3 = ObjectStore({KEY: content}, chunk=chunk)
    with stored_in(s3):
        written, finish = run_in_segments(segment_bytes, chance)
        outcome = outcome_of(finish)

    # Then the table is the same, even if the writes of all attempts reach it in any order
    chance.shuffle(written)
    assert dict(written) == dynamodb.items
    # And each key had one value only
    assert set(written) == set(dynamodb.items.items())
    # And so are the counts, the rejected rows or the error
    assert outcome == expected
    assert s3.objects.get(REJECTED) == whole.objects.get(REJECTED)
    if not any(isinstance(row, bytes) for row in rows):
        assert {key: Decimal(value) for key, value in written} == table


def outcome_of(step: Callable[[], Ingestion]) -> Any:
    try:
        return step().as_dict() | {"seconds": 0}
    except NoValidReadingsError as error:
        return str(error)


CONTENT = b"id,time,value\na,1,1\nb,1,2\nrubbish\na,1,3\nc,1,4\na,2,5\n"


def test_a_key_of_several_segments_is_written_by_the_last_one_only() -> None:
    s3 = ObjectStore({KEY: b"a,1,1\nb,1,2\na,1,3\nb,2,4\na,1,5\n"})
    with stored_in(s3):
        written, _ = run_in_segments(6, random.Random(0))

    assert set(written) == {(("b", 1), "2"), (("b", 2), "4"), (("a", 1), "5")}


def test_a_segment_continues_after_the_last_line_that_was_processed() -> None:
    # Given a segment of many rows, and a function whose time runs out
    rows = [b"a,%d,1" % number for number in range(2_000)]
    s3 = ObjectStore({KEY: b"\n".join(rows)})
    context = FakeContext()
    with stored_in(s3):
        plan = planned(1_000_000)
        (segment,) = segments_of(plan)
        index_segment(plan, segment)
        reconcile_partition(plan, 0)
        deadline, first, second = Deadline(context), Writes(), Writes()
        context.remaining_ms //= 4

        # When it is called, it stops in time; and when it is called again, it continues there
        line = store_segment(plan, segment, first, deadline)
        assert line is not None
        end = store_segment(plan, segment, second, Deadline(FakeContext()), after_line=line)

    # Then every row was stored once
    assert end is None
    assert first.rows
    assert second.rows
    assert [key for key, _ in first.rows + second.rows] == [("a", n) for n in range(2_000)]


@pytest.mark.parametrize("after_line", range(7))
def test_a_segment_continues_after_any_line(after_line: int) -> None:
    s3 = ObjectStore({KEY: CONTENT})
    with stored_in(s3):
        plan = planned(1_000_000)
        (segment,) = segments_of(plan)
        index_segment(plan, segment)
        reconcile_partition(plan, 0)
        writes = Writes()
        store_segment(plan, segment, writes, Deadline(FakeContext()), after_line=after_line)

    # The rows of CONTENT by their lines, without the one on line 2, which is replaced
    rows = {3: ("b", 1), 5: ("a", 1), 6: ("c", 1), 7: ("a", 2)}
    assert [key for key, _ in writes.rows] == [
        key for line, key in rows.items() if line > after_line
    ]


@pytest.mark.parametrize("segment_bytes", [20, 40, 1_000])
@pytest.mark.parametrize("chunk", [26, 1_000])
def test_only_a_header_in_the_first_row_is_not_rejected(segment_bytes: int, chunk: int) -> None:
    s3 = ObjectStore({KEY: CONTENT + HEADER}, chunk=chunk)
    with stored_in(s3):
        _, finish = run_in_segments(segment_bytes, random.Random(0))
        result = finish()

    assert result.rejected == 2
    lines = [row.split(b",")[0] for row in s3.objects[REJECTED].splitlines()]
    assert lines == [b"line", b"4", b"8"]


def test_progress_is_made_even_without_any_time() -> None:
    # Given some blocks of rows, and calls without any time
    rows = [b"a,%05d,1" % number for number in range(15_000)]
    s3 = ObjectStore({KEY: b"\n".join(rows)}, chunk=1_000_000)
    with stored_in(s3):
        plan = planned(1_000_000)
        (segment,) = segments_of(plan)
        index_segment(plan, segment)
        reconcile_partition(plan, 0)
        calls: list[int] = []
        writes, line = Writes(), 0
        while line is not None:
            calls.append(line)
            deadline = Deadline(context := FakeContext())
            context.remaining_ms = 0
            line = store_segment(plan, segment, writes, deadline, after_line=line)

    # Then each call continues after the one before, and every row is stored once
    assert len(calls) > 3
    assert calls == sorted(set(calls))
    assert [key for key, _ in writes.rows] == [("a", n) for n in range(15_000)]


@pytest.mark.parametrize("step", ["index", "store"])
def test_a_file_that_changes_stops_the_run(step: str) -> None:
    s3 = ObjectStore({KEY: CONTENT})
    with stored_in(s3):
        plan = planned(10)
        (first, *_) = segments_of(plan)
        for segment in segments_of(plan):
            index_segment(plan, segment)
        for partition in range(plan.partitions):
            reconcile_partition(plan, partition)
        s3.etag = "another"
        steps: dict[str, Callable[[], object]] = {
            "index": lambda: index_segment(plan, first),
            "store": lambda: store_segment(plan, first, Writes(), Deadline(FakeContext())),
        }
        with pytest.raises(SourceObjectChangedError):
            steps[step]()


def test_segments_with_only_blank_lines_before_the_header() -> None:
    s3 = ObjectStore({KEY: b"\n\n\n\n\n\n\nid,time,value\na,1,1\nrubbish\n"})
    with stored_in(s3):
        _, finish = run_in_segments(3, random.Random(1))
        result = finish()

    assert result.rejected == 1
    assert s3.objects[REJECTED] == b'line,reason,row\n10,"there must be 3 fields, not 1",rubbish\n'


def test_nothing_is_stored_before_all_segments_are_indexed() -> None:
    """The table never has a value that a later row of the file replaces."""
    s3 = ObjectStore({KEY: CONTENT})
    with stored_in(s3):
        plan = planned(10)
        for segment in segments_of(plan)[:-1]:
            index_segment(plan, segment)
        with pytest.raises(ClientError, match="NoSuchKey"):
            reconcile_partition(plan, 0)


def test_large_files_only_are_planned_in_segments() -> None:
    s3 = ObjectStore({KEY: b"x" * 100})
    limits = {"execution": EXECUTION, "bucket": "work", "segment_bytes": 30}
    with stored_in(s3):
        small = plan_ingestion(ObjectRef("source", KEY), large_file_bytes=100, **limits)
        large = plan_ingestion(ObjectRef("source", KEY), large_file_bytes=99, **limits)

    assert small == {"segmented": False, "size": 100}
    assert (large["segmented"], large["segments"], large["partitions"]) == (True, 4, 1)
    assert large["source"]["etag"] == ETAG
    assert s3.requests.count("get_object") == 0  # only HeadObject


def test_attempts_for_different_content_share_no_objects() -> None:
    s3 = ObjectStore({KEY: b"x" * 100})
    with stored_in(s3):
        first = planned(10)
        s3.etag = "another"
        second = planned(10)

    assert first.prefix != second.prefix
