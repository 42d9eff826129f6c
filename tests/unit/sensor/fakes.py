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
    """BatchWriteItem: refuses what DynamoDB refuses, and leaves undone what it is told to.

    Of `trouble` requests in a hundred a part stays unprocessed, and as many are throttled whole.
    """

    trouble: int = 0
    seed: int = 0
    keeps: bool = True  # or forgets what it was given, to be measured without it
    items: dict[tuple[str, int], str] = field(default_factory=dict)
    requests: int = 0
    before: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def batch_write_item(
        self,
        RequestItems: dict[str, list[dict[str, Any]]],
    ) -> dict[str, Any]:
        self.before()
        with self._lock:
            self.requests += 1
            ((table, writes),) = RequestItems.items()
            items = [write["PutRequest"]["Item"] for write in writes]
            keys = [(item["sensor_id"]["S"], int(item["timestamp"]["N"])) for item in items]
            assert 0 < len(keys) <= MAX_BATCH, "a batch has 1 to 25 items"
            assert len(set(keys)) == len(keys), "a batch has no key twice"
            dice = self._random.randrange(100)
            if dice < self.trouble:
                raise client_error("ProvisionedThroughputExceededException")
            done = len(keys)
            if dice < 2 * self.trouble:
                done = self._random.randrange(len(keys))
            for key, item in zip(keys[:done], items[:done], strict=True):
                if self.keeps:
                    self.items[key] = item["value"]["N"]
            return {"UnprocessedItems": {table: writes[done:]} if done < len(keys) else {}}


@dataclass
class FakeBody:
    """The body of an object, in chunks, that may break after some."""

    chunks: Iterable[bytes]
    breaks_with: Exception | None = None
    closed: bool = False

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield from self.chunks
        if self.breaks_with:
            raise self.breaks_with

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeS3:
    """One object to read, and a bucket to write to in one piece or in parts."""

    body: FakeBody | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, list[bytes]] = field(default_factory=dict)
    fails_on: str = ""

    def _called(self, operation: str) -> None:
        if operation == self.fails_on:
            raise client_error("InternalError", 500)

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": self.body, "ETag": '"the-etag"', "VersionId": "the-version"}

    def put_object(self, **request: Any) -> None:
        self._called("put_object")
        self.objects[request["Key"]] = request["Body"]

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        self.uploads[request["Key"]] = []
        return {"UploadId": "upload"}

    def upload_part(self, **request: Any) -> dict[str, str]:
        self._called("upload_part")
        parts = self.uploads[request["Key"]]
        assert request["PartNumber"] == len(parts) + 1
        parts.append(request["Body"])
        return {"ETag": f"part-{len(parts)}"}

    def complete_multipart_upload(self, **request: Any) -> None:
        self._called("complete_multipart_upload")
        parts = self.uploads.pop(request["Key"])
        assert len(request["MultipartUpload"]["Parts"]) == len(parts)
        assert all(len(part) >= 5 * 1024 * 1024 for part in parts[:-1]), "EntityTooSmall"
        self.objects[request["Key"]] = b"".join(parts)

    def abort_multipart_upload(self, **request: Any) -> None:
        self._called("abort_multipart_upload")
        del self.uploads[request["Key"]]
