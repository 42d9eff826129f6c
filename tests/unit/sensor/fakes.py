"""A table and a bucket in memory."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

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
class FakeS3:
    """One object to read, and a bucket to write to with PutObject or a multipart upload."""

    body: FakeBody | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, list[bytes]] = field(default_factory=dict)
    failing_operation: str = ""

    def _fail_if_set(self, operation: str) -> None:
        if operation == self.failing_operation:
            raise client_error("InternalError", 500)

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": self.body, "ETag": '"the-etag"', "VersionId": "the-version"}

    def put_object(self, **request: Any) -> None:
        self._fail_if_set("put_object")
        self.objects[request["Key"]] = request["Body"]

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        self.uploads[request["Key"]] = []
        return {"UploadId": "upload"}

    def upload_part(self, **request: Any) -> dict[str, str]:
        self._fail_if_set("upload_part")
        parts = self.uploads[request["Key"]]
        assert request["PartNumber"] == len(parts) + 1
        parts.append(request["Body"])
        return {"ETag": f"part-{len(parts)}"}

    def complete_multipart_upload(self, **request: Any) -> None:
        self._fail_if_set("complete_multipart_upload")
        parts = self.uploads.pop(request["Key"])
        assert len(request["MultipartUpload"]["Parts"]) == len(parts)
        assert all(len(part) >= 5 * 1024 * 1024 for part in parts[:-1]), "EntityTooSmall"
        self.objects[request["Key"]] = b"".join(parts)

    def abort_multipart_upload(self, **request: Any) -> None:
        self._fail_if_set("abort_multipart_upload")
        del self.uploads[request["Key"]]
