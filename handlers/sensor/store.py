"""Writes readings to DynamoDB in parallel batches, in order for each key."""

import threading
from queue import Queue
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from handlers.sensor.readings import Reading
from handlers.sensor.time_budget import TimeBudget
from handlers.shared.backoff import Backoff, full_jitter
from handlers.shared.errors import AwsUnavailableError, is_throttling, is_transient

MAX_BATCH = 25  # DynamoDB BatchWriteItem: items per request
WRITERS = 16  # about as many as one processor can keep busy at 8 ms per request
_MAX_QUEUED = 4  # batches that may wait in a writer's queue
_MAX_FAILURES = 6  # consecutive failures, other than throttling, until AWS counts as unavailable
BACKOFF = full_jitter(0.05, maximum=5)

_Batch = dict[tuple[str, int], str]


class ReadingStore:
    """Writes readings to a table; of two with the same key, the later one stays.

    A key always goes to the same writer, which is a queue and a thread. A batch contains each key
    once, and a writer stores it completely before it sends the next. So the last reading wins. The
    writer depends on sensor and timestamp together, which spreads the readings of one sensor, and
    the load of its hot partition, over all writers.

    When DynamoDB throttles, the store retries within the time budget, then raises
    IngestionTimeoutError. An error in one writer stops the others. The next `put` raises it, or the
    end of `with`, which returns after everything is stored. Memory is bounded: `put` blocks
    while a writer's queue is full.
    """

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        time_budget: TimeBudget,
        *,
        writers: int = WRITERS,
        batch_size: int = MAX_BATCH,
        backoff: Backoff = BACKOFF,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._time_budget = time_budget
        self._batch_size = batch_size
        self._backoff = backoff
        self._pending: list[_Batch] = [{} for _ in range(writers)]
        self._queues: list[Queue[_Batch | None]] = [Queue(_MAX_QUEUED) for _ in range(writers)]
        self._threads = [
            threading.Thread(target=self._run, args=(queue,), daemon=True) for queue in self._queues
        ]
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def put(self, reading: Reading) -> None:
        key = (reading.sensor_id, reading.timestamp)
        writer = hash(key) % len(self._pending)
        batch = self._pending[writer]
        batch[key] = reading.value
        if len(batch) == self._batch_size:
            self._send(writer)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                for writer, batch in enumerate(self._pending):
                    if batch:
                        self._send(writer)
        finally:
            if error is not None:
                self._stop.set()
            for queue in self._queues:
                queue.put(None)
            for thread in self._threads:
                thread.join()
        if error is None:
            self._raise_failure()

    def _send(self, writer: int) -> None:
        self._time_budget.check()
        self._queues[writer].put(self._pending[writer])
        self._pending[writer] = {}
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self, queue: "Queue[_Batch | None]") -> None:
        # After a stop, batches are taken and dropped, so that `put` does not block on a full queue.
        while (batch := queue.get()) is not None:
            if not self._stop.is_set():
                try:
                    self._write(batch)
                except BaseException as failure:  # raised again by _raise_failure
                    self._failure = self._failure or failure
                    self._stop.set()

    def _write(self, batch: _Batch) -> None:
        """Store a complete batch, with retries while DynamoDB throttles."""
        remaining = [_put_request(key, value) for key, value in batch.items()]
        attempt = failures = 0
        while remaining and not self._stop.is_set():
            self._time_budget.check()
            sent = len(remaining)
            try:
                response = self._dynamodb.batch_write_item(RequestItems={self._table: remaining})
                remaining = response.get("UnprocessedItems", {}).get(self._table, [])
                failures = 0
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    raise
                failures = 0 if is_throttling(error) else failures + 1
                if failures == _MAX_FAILURES:
                    raise AwsUnavailableError(
                        f"DynamoDB failed {failures} times in a row: {error}"
                    ) from error
            if remaining:
                attempt = 0 if len(remaining) < sent else attempt + 1
                pause = self._backoff(attempt)
                self._time_budget.check(pause)
                self._stop.wait(pause)


def _put_request(key: tuple[str, int], value: str) -> dict[str, Any]:
    sensor_id, timestamp = key
    item = {
        "sensor_id": {"S": sensor_id},
        "timestamp": {"N": str(timestamp)},
        "value": {"N": value},
    }
    return {"PutRequest": {"Item": item}}
