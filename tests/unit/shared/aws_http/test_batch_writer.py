"""Writing batches: what was acknowledged is stored, in the order of each key."""

import json
import queue
import random
import select
import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.shared.aws_http.batch_writer import BACKOFF, BatchWriter, Row
from handlers.shared.aws_http.connection import Connection
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError
from tests.support.dynamodb_http import HttpTable, response
from tests.unit.fakes import client_error

pytestmark = pytest.mark.timeout(30)

PUT = b'{"PutRequest":{"Item":{"id":{"S":"k0"}}}}'
ITEM = b'{"id":{"S":"%b"},"n":{"N":"%b"}}'


def row(number: int, value: int = 0) -> Row:
    return (b"k%d" % number, b"%d" % value)


class Table:
    """A table; `before` may refuse a request, `takes` says how many items of a batch it stores."""

    def __init__(
        self,
        before: Callable[[], None] = lambda: None,
        takes: Callable[[int], int] = lambda items: items,
    ) -> None:
        self.items: dict[str, str] = {}
        self.batches: list[list[str]] = []
        self.before = before
        self.takes = takes
        self.lock = threading.Lock()

    def write(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            ((name, writes),) = RequestItems.items()
            items = [write["PutRequest"]["Item"] for write in writes]
            keys = [item["id"]["S"] for item in items]
            assert len(set(keys)) == len(keys) <= 25
            self.batches.append(keys)
            self.before()
            taken = self.takes(len(items))
            self.items |= {item["id"]["S"]: item["n"]["N"] for item in items[:taken]}
            return {"UnprocessedItems": {name: writes[taken:]} if writes[taken:] else {}}


def writer(http: HttpTable, **options: Any) -> BatchWriter:
    defaults: dict[str, Any] = {"backoff": lambda _: 0.0, "connect": http.connect}
    check_time = options.pop("check_time", lambda pause: None)
    return BatchWriter(
        "t", ITEM, lambda item: item["id"]["S"].encode(), check_time, **defaults | options
    )


def write(table: Table, rows: Iterable[Row], **options: Any) -> HttpTable:
    http = HttpTable(table.write, keeps_requests=True)
    with writer(http, **options) as one:
        for each in rows:
            one.put([each])
    return http


@pytest.mark.parametrize(("rows", "requests"), [(1, 1), (25, 1), (60, 3), (260, 11), (0, 0)])
def test_no_more_requests_are_made_than_needed(rows: int, requests: int) -> None:
    table = Table()
    write(table, map(row, range(rows)), window=100)
    assert table.items == {f"k{number}": "0" for number in range(rows)}
    assert len(table.batches) == requests


def test_a_response_that_has_arrived_makes_room_for_a_request_at_once() -> None:
    # Given one connection, the response to its first batch, and a second batch
    received = queue.Queue[int]()
    table = Table(lambda: received.put(len(table.batches)))
    http = HttpTable(table.write)
    opened: list[Connection] = []

    def connect(url: str, attempt: int) -> Connection:
        opened.append(http.connect(url, attempt))
        return opened[-1]

    with writer(http, connections=1, window=25, connect=connect) as one:
        one.put([row(number) for number in range(50)])
        assert received.get(timeout=5) == 1
        assert select.select(opened, [], [], 5)[0]

        # When rows are added once, then the second batch is on its way
        one.put([])
        assert received.get(timeout=5) == 2


def test_rows_of_one_partition_are_spread_over_the_batches_of_a_window() -> None:
    # Given rows that are sorted by partition, in four partitions of a hundred
    table = Table()
    rows = [(b"%d/%d" % (number // 100, number), b"0") for number in range(400)]

    # When they are written in one window
    write(table, rows, window=400)

    # Then each batch has rows of each partition, in equal parts
    for batch in table.batches:
        partitions = [key[0] for key in batch]
        assert all(6 <= partitions.count(one) <= 7 for one in "0123")


@pytest.mark.parametrize("window", [25, 50, 1000])
def test_the_last_row_of_a_key_stays_whatever_fails(window: int) -> None:
    random_ = random.Random(window)

    def fail() -> None:
        match random_.randrange(20):  # six errors of one batch in a row would end it
            case 0:
                raise client_error("ProvisionedThroughputExceededException")
            case 1:
                raise client_error("InternalServerError", 500)
            case 2:
                raise ConnectionError

    table = Table(fail, lambda items: random_.randint(items // 2, items))
    rows = [row(number % 60, value) for value in range(10) for number in range(60)]
    write(table, rows, window=window)
    assert table.items == {f"k{number}": "9" for number in range(60)}


def test_a_key_is_never_in_two_requests_at_once() -> None:
    # Given a table that notes which keys are under way
    under_way: set[str] = set()
    lock = threading.Lock()

    def write_slowly(RequestItems: dict[str, Any]) -> dict[str, Any]:
        keys = {write["PutRequest"]["Item"]["id"]["S"] for write in RequestItems["t"]}
        with lock:
            assert not keys & under_way, "a key is under way twice"
            under_way.update(keys)
        time.sleep(0.001)
        with lock:
            under_way.difference_update(keys)
        return {"UnprocessedItems": {}}

    # When few keys are written again and again
    http = HttpTable(write_slowly)
    with writer(http, window=25) as one:
        for value in range(100):
            one.put([row((value * 37 + number) % 300, value) for number in range(40)])

    # Then several requests were under way, but no key twice
    assert http.connections > 1


def test_unprocessed_rows_of_several_batches_share_a_request() -> None:
    # Given a table that stores 20 items of the first five requests
    first = iter(range(5))
    table = Table(takes=lambda items: 20 if next(first, None) is not None else items)
    write(table, map(row, range(125)), window=125)
    assert len(table.items) == 125
    assert len(table.batches) == 6


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"UnprocessedItems":null}',
        b'{"UnprocessedItems":{"another":[{"PutRequest":{"Item":{"id":{"S":"k0"}}}}]}}',
        b'{"UnprocessedItems":{"t":[{"PutRequest":{"Item":{"id":{"S":"another"}}}}]}}',
        b'{"UnprocessedItems":{"t":[{"DeleteRequest":{"Key":{"id":{"S":"k0"}}}}]}}',
        b'{"UnprocessedItems":{"t":[%b,%b]}}' % (PUT, PUT),
        b'{"UnprocessedItems":{}',
        b"<html>Please sign in</html>",
    ],
)  # fmt: skip
def test_a_response_that_acknowledges_nothing_is_not_counted(body: bytes) -> None:
    assert_repeated(response(200, body))


@pytest.mark.parametrize(
    "sent",
    [
        response(200, {"UnprocessedItems": {}}, x_amz_crc32="1"),
        response(200, {"UnprocessedItems": {}}) + b"HTTP/1.1 200 OK",
        response(200, {"UnprocessedItems": {}})[:-1],
        response(204, b""),
        response(301, b"", Location="https://elsewhere.example/"),
        None,
    ],
    ids=["checksum", "surplus", "short", "no content", "redirect", "closed"],
)
def test_a_response_of_another_form_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, sent: bytes | None
) -> None:
    monkeypatch.setattr("handlers.shared.aws_http.batch_writer._RESPONSE_SECONDS", 0.3)
    if sent and (b" 204 " in sent or b" 301 " in sent):
        with pytest.raises(ClientError):
            assert_repeated(sent)
    else:
        assert_repeated(sent)


def assert_repeated(sent: bytes | None) -> None:
    """After this response to the first request, that is repeated, and the second one counts."""

    class Once(HttpTable):
        def respond(self, head: bytes, body: bytes) -> bytes | None:
            normal = super().respond(head, body)
            return sent if len(self.bodies) == 1 else normal

    table = Table()
    http = Once(table.write, keeps_requests=True)
    with writer(http) as one:
        one.put([row(0, 7)])
    assert table.items == {"k0": "7"}
    assert len(http.bodies) == 2
    assert len(set(http.bodies)) == 1


@pytest.mark.parametrize(
    "code",
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"],
)
def test_throttling_is_retried_for_as_long_as_there_is_time(code: str) -> None:
    throttled, pauses = iter(range(100)), []

    def throttle() -> None:
        if next(throttled, None) is not None:
            raise client_error(code)

    def backoff(attempt: int) -> float:
        pauses.append(attempt)
        return 0.0

    table = Table(throttle)
    write(table, [row(1)], backoff=backoff)
    assert table.items == {"k1": "0"}
    assert pauses == list(range(1, 101))


def test_pauses_are_random_and_bounded() -> None:
    pauses = [BACKOFF(attempt) for attempt in range(30) for _ in range(20)]
    assert all(0 <= pause <= 5 for pause in pauses)
    assert max(BACKOFF(0) for _ in range(50)) <= 0.05
    assert len(set(pauses)) > 500


def fails(error: Exception, times: int) -> Callable[[], None]:
    faults = iter(range(times))

    def fail() -> None:
        if next(faults, None) is not None:
            raise error

    return fail


TRANSIENT = [
    pytest.param(client_error("InternalServerError", 500), id="500"),
    pytest.param(client_error("ServiceUnavailable", 503), id="503"),
    pytest.param(ConnectionError(), id="reset"),
]


@pytest.mark.parametrize("error", TRANSIENT)
def test_a_few_failures_in_a_row_are_retried(error: Exception) -> None:
    table = Table(fails(error, 5))
    write(table, [row(1)])
    assert table.items == {"k1": "0"}


@pytest.mark.parametrize("error", TRANSIENT)
def test_many_failures_in_a_row_are_an_error(error: Exception) -> None:
    table = Table(fails(error, 6))
    with pytest.raises(AwsUnavailableError, match="6 times in a row"):
        write(table, [row(1)])
    assert table.items == {}


def test_no_connection_is_a_failure() -> None:
    # Given a host that refuses four connections
    refusals, table = iter(range(4)), Table()
    http = HttpTable(table.write, keeps_requests=True)

    def connect(url: str, attempt: int) -> Connection:
        if next(refusals, None) is not None:
            raise ConnectionRefusedError(url)
        return http.connect(url, attempt)

    with writer(http, connect=connect) as one:
        one.put([row(1)])
    assert table.items == {"k1": "0"}


def test_a_refusal_is_raised_at_once_and_stops_everything() -> None:
    table = Table(fails(client_error("AccessDeniedException"), 1_000))
    numbers = iter(range(100_000))
    with pytest.raises(ClientError, match="AccessDenied"):
        write(table, map(row, numbers), window=25, connections=2)
    assert next(numbers) < 10_000  # the queue has 256 batches of 25
    assert table.items == {}


def test_an_error_in_the_last_batch_is_raised() -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        write(Table(fails(client_error("ValidationException"), 1)), [row(1)])


def test_an_error_of_the_caller_is_kept_and_closes_the_connections() -> None:
    table = Table()
    http = HttpTable(table.write, keeps_requests=True)
    with pytest.raises(ZeroDivisionError), writer(http) as one:
        one.put([row(1 // number) for number in (1, 0)])
    assert table.items == {}


def test_there_are_no_more_connections_than_allowed() -> None:
    table = Table()
    http = write(table, map(row, range(1_000)), connections=3, window=1_000)
    assert len(table.items) == 1_000
    assert 1 < http.connections <= 3


def test_time_is_checked_before_each_request_and_pause() -> None:
    class NoTimeError(Exception):
        pass

    def check_time(pause: float) -> None:
        if pause > 10:
            raise NoTimeError

    throttling = Table(fails(client_error("ThrottlingException"), 9))
    with pytest.raises(NoTimeError):
        write(throttling, [row(1)], check_time=check_time, backoff=lambda _: 60.0)
    failing = Table(fails(ConnectionError(), 9))
    with pytest.raises(NoTimeError):
        write(failing, [row(1)], check_time=check_time, backoff=lambda _: 60.0)

    def over(pause: float) -> None:
        raise NoTimeError

    unused = Table()
    with pytest.raises(NoTimeError):
        write(unused, [row(1)], check_time=over)
    assert unused.batches == []


def test_a_request_without_a_response_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a table that never responds to its first request
    monkeypatch.setattr("handlers.shared.aws_http.batch_writer._RESPONSE_SECONDS", 0.2)
    stuck, table = threading.Event(), Table()

    def hang() -> None:
        if len(table.batches) == 1:
            table.lock.release()
            stuck.wait(20)
            table.lock.acquire()

    table.before = hang
    write(table, [row(1)])
    stuck.set()
    assert table.items == {"k1": "0"}
    assert len(table.batches) == 2


def test_bytes_that_came_unasked_are_no_response() -> None:
    # Given a table that sends one more acknowledgement than there were requests
    table = Table()

    http = HttpTable(table.write, keeps_requests=True)
    with writer(http, connections=1, window=25) as one:
        one.put(map(row, range(25)))
        one._wait_until_acknowledged()
        http.servers[0].sendall(response(200, {"UnprocessedItems": {}}))
        one.put(map(row, range(25, 50)))

    # Then the connection is not used again
    assert len(table.items) == 50
    assert http.connections == 2


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=20),
            st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9),
        ),
        min_size=1,
        max_size=25,
        unique_by=lambda each: each[0],
    ),
    st.sampled_from(["t", "a-table.1_", "arn:aws:dynamodb:eu-west-1:123456789012:table/t"]),
)
def test_bodies_equal_botocores_field_by_field(
    items: list[tuple[str, Decimal]], table: str
) -> None:
    model = client("dynamodb").meta.service_model
    serialize = TypeSerializer().serialize
    puts = [
        {"PutRequest": {"Item": {"id": serialize(name), "n": {"N": f"{value:f}"}}}}
        for name, value in items
    ]
    expected = create_serializer("json").serialize_to_request(
        {"RequestItems": {table: puts}}, model.operation_model("BatchWriteItem")
    )

    one = BatchWriter(table, ITEM, lambda item: b"", lambda pause: None)
    rows = [(json.dumps(name)[1:-1].encode(), f"{value:f}".encode()) for name, value in items]

    assert json.loads(one.body(rows)) == json.loads(expected["body"])


def test_requests_have_botocores_headers() -> None:
    http = write(Table(), [row(1)])
    (head,) = http.heads
    assert b"POST / HTTP/1.1\r\n" in head
    assert b"Host: dynamodb.us-east-1.amazonaws.com\r\n" in head
    assert b"X-Amz-Target: DynamoDB_20120810.BatchWriteItem\r\n" in head
    assert b"Content-Type: application/x-amz-json-1.0\r\n" in head
    assert b"SignedHeaders=content-type;host;x-amz-date;x-amz-target," in head


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=200),
    at_once=st.integers(1, 40),
    window=st.integers(1, 60),
    batch_size=st.integers(1, 25),
    connections=st.integers(1, 5),
    fault_percent=st.integers(0, 30),
    seed=st.integers(),
)
def test_the_table_has_the_same_content_as_a_dict(
    rows: list[tuple[int, int]],
    at_once: int,
    window: int,
    batch_size: int,
    connections: int,
    fault_percent: int,
    seed: int,
) -> None:
    chance = random.Random(seed)
    stored = Table()

    def fail() -> None:
        roll = chance.randrange(100)
        if roll < fault_percent:
            raise client_error("ThrottlingException")
        # At most five failures in a row are retried; a sixth one would be an error.
        if roll < fault_percent * 1.2 and len(stored.batches) % 4 == 0:
            raise ConnectionError

    stored.before = fail
    stored.takes = lambda items: items - chance.randint(0, items) * (chance.random() < 0.3)
    http = HttpTable(stored.write)
    with writer(http, window=window, batch_size=batch_size, connections=connections) as one:
        for start in range(0, len(rows), at_once):
            one.put([row(*each) for each in rows[start : start + at_once]])
    assert stored.items == {f"k{number}": str(value) for number, value in rows}
