"""Writes items to a DynamoDB table with BatchWriteItem, over many connections in one thread."""

import json
import math
import selectors
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable
from hashlib import sha256
from heapq import heappop, heappush
from itertools import chain, count
from typing import Any, NamedTuple, Self

from handlers.shared.aws_http.connection import Connection, Response, open_connection
from handlers.shared.aws_http.endpoint import endpoint
from handlers.shared.aws_http.pace import Pace
from handlers.shared.aws_http.signature import SigV4
from handlers.shared.backoff import Backoff, full_jitter
from handlers.shared.errors import (
    THROTTLING_CODES,
    TRANSIENT_CODES,
    AwsRequestRefusedError,
    AwsUnavailableError,
)

MAX_BATCH = 25  # DynamoDB BatchWriteItem: items per request
CONNECTIONS = 64
WINDOW = 8_000  # rows that are spread over batches together
BACKOFF = full_jitter(0.05, maximum=5)
_MAX_FAILURES = 6  # of one batch in a row, other than throttling, until AWS counts as unavailable
_RESPONSE_SECONDS = 5.0
_MAX_QUEUED = 2 * CONNECTIONS  # batches that wait while more rows are added
_NOTHING_UNPROCESSED = b'{"UnprocessedItems":{}}'  # DynamoDB's usual response
_HEADERS = (
    ("Content-Type", "application/x-amz-json-1.0"),
    ("X-Amz-Target", "DynamoDB_20120810.BatchWriteItem"),
)

Row = tuple[bytes, ...]
"""The values of an item, JSON-encoded, as its template needs them. The first one is the item's key,
the same bytes whenever two items have the same key."""


class _Batch(NamedTuple):
    rows: list[Row]
    failures: int = 0


class _Request(NamedTuple):
    batch: _Batch
    sent_at: float


class BatchWriter:
    """Writes rows to a table, each at least once. Of two with the same key, the later one stays.

    Rows are collected in a window, where a later row replaces an earlier one with its key. Each
    batch then takes rows from all parts of the window. So rows that are sorted by partition key are
    spread over several partitions. A key of a batch that is not yet acknowledged stays in the
    window until it is; so two requests with one key are never under way together.

    Throttled and unprocessed rows are written again, at the pace that the table accepts. Before
    each pause, `check_time` is called with its seconds; it raises if there is no time for it.

    Failed requests are repeated. AwsUnavailableError is raised if six in a row fail for the same
    rows, AwsRequestRefusedError for other errors of DynamoDB. `put` or the end of `with` raises
    them. The end of `with` returns when everything is stored. To bound memory, `put` waits for
    responses.
    """

    def __init__(
        self,
        table: str,
        item: bytes,
        key_of: Callable[[dict[str, Any]], bytes],
        check_time: Callable[[float], None],
        *,
        connections: int = CONNECTIONS,
        batch_size: int = MAX_BATCH,
        window: int = WINDOW,
        backoff: Backoff = BACKOFF,
        connect: Callable[[str, int], Connection] = open_connection,
    ) -> None:
        """`item`: the item as JSON with a %-format for each value of a row. `key_of`: the first
        value of a row, from its item as DynamoDB returns it."""
        self._table = table
        self._item = b'{"PutRequest":{"Item":' + item + b"}}"
        self._key_of = key_of
        self._check_time = check_time
        self._batch_size = batch_size
        self._window_size = max(window // batch_size, 1) * batch_size
        self._backoff = backoff
        self._connect = connect
        self._endpoint = endpoint("dynamodb")
        self._signature = SigV4(
            "dynamodb", self._endpoint.region, self._endpoint.host, self._endpoint.credentials
        )
        self._templates: dict[int, bytes] = {}
        self._window: dict[bytes, Row] = {}
        self._queue: deque[_Batch] = deque()
        self._leftovers: list[Row] = []  # unprocessed: they form batches of their own
        self._leftovers_from = 0.0  # when they may be sent
        self._waiting: list[tuple[float, int, _Batch]] = []  # a heap, by the next attempt
        self._unacknowledged: set[bytes] = set()  # keys of all batches that are not acknowledged
        self._selector = selectors.DefaultSelector()
        self._in_flight: dict[Connection, _Request] = {}
        self._idle: list[Connection] = []
        self._pace = Pace(connections, backoff, time.monotonic())
        self._ids = count()
        self._next_expiry = 0.0

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows. They may be written at any time until the end of `with`."""
        window = self._window
        for row in rows:
            window[row[0]] = row
        while len(self._window) >= self._window_size:
            while len(self._queue) > _MAX_QUEUED:
                self._step(wait=True)
            self._form_batches()
        if self._unacknowledged:
            self._step(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                while self._window:
                    self._form_batches(last=True)
                self._wait_until_acknowledged()
        finally:
            for connection in (*self._idle, *self._in_flight):
                connection.close()
            self._selector.close()

    def _form_batches(self, *, last: bool = False) -> None:
        """Move rows from the window to batches: full ones, unless these are the last."""
        held = self._window.keys() & self._unacknowledged  # they stay in the window
        if len(held) > len(self._window) - self._batch_size:
            self._wait_until_acknowledged()
            held = set()
        rows = [row for key, row in self._window.items() if key not in held]
        if last:
            taken, batches = len(rows), -(-len(rows) // self._batch_size)
        else:
            batches = len(rows) // self._batch_size
            taken = batches * self._batch_size
        self._queue.extend(_Batch(rows[first:taken:batches]) for first in range(batches))
        self._unacknowledged.update(row[0] for row in rows[:taken])
        self._window = {row[0]: row for row in rows[taken:]} | {k: self._window[k] for k in held}

    def _wait_until_acknowledged(self) -> None:
        while self._unacknowledged:
            self._step(wait=True)

    def _step(self, *, wait: bool) -> None:
        """Send what may be sent, and handle the responses that have arrived.

        With `wait`, wait for a response or the end of a pause.
        """
        now = time.monotonic()
        timeout = 0.0
        pause = self._send_batches(now)
        if wait:
            self._check_time(0.0)
            timeout = max(min(pause, self._next_expiry - now), 0.0)
        for ready, _ in self._selector.select(timeout):
            connection = ready.fileobj
            assert isinstance(connection, Connection)
            self._advance(connection)
        now = time.monotonic()
        if now >= self._next_expiry:
            self._next_expiry = now + _RESPONSE_SECONDS / 10
            for connection, request in [*self._in_flight.items()]:
                if now - request.sent_at > _RESPONSE_SECONDS:
                    self._fail(connection, TimeoutError(f"no response in {_RESPONSE_SECONDS:g} s"))
        if not wait:  # the next call may come much later
            self._send_batches(now)

    def _send_batches(self, now: float) -> float:
        """Returns the seconds until more can be sent, unless a response arrives before."""
        while len(self._in_flight) < self._pace.concurrency:
            if delay := self._pace.delay(now):
                return delay
            if (batch := self._next_batch(now)) is None:
                due = [self._waiting[0][0]] if self._waiting else []
                due += [self._leftovers_from] if self._leftovers else []
                return max(min(due, default=math.inf) - now, 0.0)
            self._send(batch, now)
        return math.inf

    def _next_batch(self, now: float) -> _Batch | None:
        if self._waiting and self._waiting[0][0] <= now:
            return heappop(self._waiting)[2]
        # Leftovers of several batches are put together, unless there is nothing to wait for.
        fill_a_batch = len(self._leftovers) >= self._batch_size
        are_last = self._leftovers and not (self._queue or self._in_flight)
        if self._leftovers_from <= now and (fill_a_batch or are_last):
            rows = self._leftovers[: self._batch_size]
            del self._leftovers[: self._batch_size]
            return _Batch(rows)
        return self._queue.popleft() if self._queue else None

    def _send(self, batch: _Batch, now: float) -> None:
        self._check_time(0.0)
        self._pace.sent(len(batch.rows))
        body = self.body(batch.rows)
        head = self._signature.head(
            "POST", self._endpoint.path or "/", _HEADERS, sha256(body).hexdigest(), len(body)
        )
        try:
            connection = self._idle_connection() or self._new_connection()
        except OSError as error:
            self._retry(batch, error)
            return
        self._in_flight[connection] = _Request(batch, now)
        try:
            connection.send(head + body)
            self._listen(connection)
        except OSError as error:
            self._fail(connection, error)

    def body(self, rows: Collection[Row]) -> bytes:
        """The body of a request that puts these rows."""
        template = self._templates.get(len(rows))
        if template is None:
            items = b",".join([self._item] * len(rows))
            table = json.dumps(self._table).replace("%", "%%").encode()
            template = b'{"RequestItems":{' + table + b":[" + items + b"]}}"
            self._templates[len(rows)] = template
        return template % tuple(chain.from_iterable(rows))

    def _idle_connection(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_silent():
                return connection
            self._drop(connection)
        return None

    def _new_connection(self) -> Connection:
        connection = self._connect(self._endpoint.url, next(self._ids))
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def _listen(self, connection: Connection) -> None:
        events = selectors.EVENT_READ
        if connection.wants_write:
            events |= selectors.EVENT_WRITE
        if self._selector.get_key(connection).events != events:
            self._selector.modify(connection, events)

    def _drop(self, connection: Connection) -> None:
        self._selector.unregister(connection)
        connection.close()

    def _advance(self, connection: Connection) -> None:
        if connection not in self._in_flight:  # idle: DynamoDB closed it, or sent something
            self._idle.remove(connection)
            self._drop(connection)
            return
        try:
            response = connection.advance()
            self._listen(connection)
        except OSError as error:
            self._fail(connection, error)
            return
        if response is not None:
            request = self._in_flight.pop(connection)
            if connection.reusable:
                self._idle.append(connection)
            else:
                self._drop(connection)
            self._handle(request, response)

    def _handle(self, request: _Request, response: Response) -> None:
        batch = request.batch
        if response.status == 200:
            unprocessed = self._unprocessed(batch.rows, response)
            if unprocessed is None:
                self._retry(batch, "the response does not say what was stored")
                return
            accepted = len(batch.rows) - len(unprocessed)
            self._unacknowledged.difference_update([row[0] for row in batch.rows])
            if unprocessed:
                self._unacknowledged.update(unprocessed)
                self._leftovers += [row for row in batch.rows if row[0] in unprocessed]
                self._leftovers_from = self._pause(request, len(unprocessed), accepted)
            else:
                self._pace.accepted(accepted, time.monotonic())
            return
        error = _error(response)
        code = error["Error"]["Code"]
        if code in THROTTLING_CODES or response.status == 429:
            heappush(
                self._waiting, (self._pause(request, len(batch.rows), 0), next(self._ids), batch)
            )
        elif code in TRANSIENT_CODES or response.status >= 500:
            self._retry(batch, f"{code}: {error['Error']['Message']}")
        else:
            raise AwsRequestRefusedError(error, "BatchWriteItem")

    def _unprocessed(self, rows: Collection[Row], response: Response) -> Collection[bytes] | None:
        """The keys that were not stored, or None if the response does not say so."""
        checksum = response.headers.get(b"x-amz-crc32")
        if checksum is not None and checksum != b"%d" % zlib.crc32(response.body):
            return None
        if response.body == _NOTHING_UNPROCESSED:
            return ()
        try:
            unprocessed = json.loads(response.body)["UnprocessedItems"]
            writes = unprocessed.get(self._table, [])
            keys = {self._key_of(write["PutRequest"]["Item"]) for write in writes}
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        is_complete = unprocessed.keys() <= {self._table} and len(keys) == len(writes)
        return keys if is_complete and keys <= {row[0] for row in rows} else None

    def _pause(self, request: _Request, refused: int, accepted: int) -> float:
        """Slow down; returns when the refused rows may be sent again."""
        now = time.monotonic()
        pause = self._pace.refused(refused, accepted, request.sent_at, now)
        self._check_time(pause)
        return now + pause

    def _fail(self, connection: Connection, error: OSError) -> None:
        batch = self._in_flight.pop(connection).batch
        self._drop(connection)
        self._retry(batch, error)

    def _retry(self, batch: _Batch, reason: object) -> None:
        failures = batch.failures + 1
        if failures == _MAX_FAILURES:
            raise AwsUnavailableError(f"DynamoDB failed {failures} times in a row: {reason}")
        pause = self._backoff(failures)
        self._check_time(pause)
        due = time.monotonic() + pause
        heappush(self._waiting, (due, next(self._ids), _Batch(batch.rows, failures)))


def _error(response: Response) -> dict[str, Any]:
    """An error of DynamoDB in botocore's form."""
    try:
        body = json.loads(response.body)
        code = body["__type"].rpartition("#")[2].partition(":")[0]
        message = str(body.get("message") or body.get("Message") or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        code, message = str(response.status), ""
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": response.status},
    }
