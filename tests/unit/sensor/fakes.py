"""A table and a bucket in memory."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import client_error

MAX_BATCH = 25


@dataclass
class FakeDynamoDB:
    """BatchWriteItem: checks requests like DynamoDB and can leave items unprocessed.

    Of 100 requests, `fault_percent` are throttled, and as many leave some items unprocessed.
    """

    fault_percent: int = 0
    seed: int = 0
    keeps_items: bool = True  # False to measure memory without the items
    items: dict[tuple[str, int], str] = field(default_factory=dict)
    requests: int = 0
    before_request: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def batch_write_item(
        self,
        RequestItems: dict[str, list[dict[str, Any]]],
    ) -> dict[str, Any]:
        self.before_request()
        with self._lock:
            self.requests += 1
            ((table, writes),) = RequestItems.items()
            items = [write["PutRequest"]["Item"] for write in writes]
            keys = [(item["sensor_id"]["S"], int(item["timestamp"]["N"])) for item in items]
            assert 0 < len(keys) <= MAX_BATCH, "a batch has 1 to 25 items"
            assert len(set(keys)) == len(keys), "a batch has no key twice"
            roll = self._random.randrange(100)
            if roll < self.fault_percent:
                raise client_error("ProvisionedThroughputExceededException")
            processed = len(keys)
            if roll < 2 * self.fault_percent:
                processed = self._random.randrange(len(keys))
            for key, item in zip(keys[:processed], items[:processed], strict=True):
                if self.keeps_items:
                    self.items[key] = item["value"]["N"]
            return {
                "UnprocessedItems": {table: writes[processed:]} if processed < len(keys) else {}
            }


@dataclass
class FakeBody:
    """The body of an object, in chunks. With `error`, the connection breaks after them."""

    chunks: Iterable[bytes]
    error: Exception | None = None
    closed: bool = False

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeBucket:
    """The writing methods of `handlers.shared.aws_http.s3.Bucket`."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, list[bytes]] = field(default_factory=dict)
    failing_operation: str = ""
    requests: list[str] = field(default_factory=list)

    def _called(self, operation: str) -> None:
        self.requests.append(operation)
        if operation == self.failing_operation:
            raise AwsUnavailableError("a fault")

    def put(self, key: str, content: bytes | bytearray, **_: Any) -> None:
        self._called("put")
        self.objects[key] = bytes(content)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield key, len(self.objects[key])

    def create_upload(self, key: str, content_type: str) -> str:
        self.uploads[key] = []
        return key

    def upload_part(self, key: str, upload: str, number: int, content: bytes) -> str:
        self._called("upload_part")
        return self._add_part(upload, number, bytes(content))

    def copy_part(
        self, key: str, upload: str, number: int, source: tuple[str, str], start: int, stop: int
    ) -> str:
        self._called("copy_part")
        return self._add_part(upload, number, self.objects[source[1]][start:stop])

    def _add_part(self, upload: str, number: int, content: bytes) -> str:
        parts = self.uploads[upload]
        assert number == len(parts) + 1
        parts.append(content)
        return f"part-{number}"

    def complete_upload(self, key: str, upload: str, etags: Sequence[str]) -> None:
        self._called("complete_upload")
        parts = self.uploads.pop(upload)
        assert list(etags) == [f"part-{number + 1}" for number in range(len(parts))]
        assert all(len(part) >= 5 * 1024 * 1024 for part in parts[:-1]), "EntityTooSmall"
        self.objects[key] = b"".join(parts)

    def abort_upload(self, key: str, upload: str) -> None:
        self._called("abort_upload")
        del self.uploads[upload]


@dataclass
class FakeS3(FakeBucket):
    """A bucket to write to, and one object to read."""

    body: FakeBody | None = None

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": self.body, "ETag": '"the-etag"', "VersionId": "the-version"}
