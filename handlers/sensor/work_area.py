"""The objects through which the functions of one execution pass data to each other.

Each object has one writer, and each attempt writes the same content, because it depends only on the
file and the plan. So it does not matter which attempt writes last.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from handlers.shared.aws_http.object_reader import open_object
from handlers.shared.aws_http.s3 import shared_bucket


class WorkArea:
    """The objects of an execution: those below a prefix of a bucket. Keys are relative to it."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self._prefix = prefix
        self._s3 = shared_bucket(bucket)

    def key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def put(self, name: str, content: bytes | bytearray) -> None:
        self._s3.put(self.key(name), content)

    def put_json(self, name: str, value: Any) -> None:
        self.put(name, json.dumps(value).encode())

    def get(self, name: str, byte_range: tuple[int, int] | None = None) -> bytes:
        """The content of an object; `byte_range` as for `open_object`."""
        return b"".join(self.read(name, byte_range))

    def get_json(self, name: str) -> Any:
        return json.loads(self.get(name))

    def read(self, name: str, byte_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        """As `get`, but in parts."""
        request = {"Bucket": self.bucket, "Key": self.key(name)}
        _, parts = open_object(request, byte_range, bucket=self._s3)
        with closing(parts):
            yield from parts

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        """Name and size of each object in a folder, by name."""
        for key, size in self._s3.list(self.key(folder)):
            yield key.removeprefix(self._prefix), size
