"""The objects through which the functions of one execution pass data to each other.

Each object has one writer, and each attempt writes the same content, because it depends only on the
file and the plan. So it does not matter which attempt writes last.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from handlers.shared.clients import client
from handlers.shared.errors import translate_aws_errors

READERS = 16  # parallel requests

T = TypeVar("T")
A = TypeVar("A")


class WorkArea:
    """The objects of an execution: those below a prefix of a bucket. Keys are relative to it."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self._prefix = prefix
        self._s3 = client("s3")

    def key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def put(self, name: str, content: bytes) -> None:
        with translate_aws_errors(f"writing {self._uri(name)}"):
            self._s3.put_object(Bucket=self.bucket, Key=self.key(name), Body=content)

    def put_json(self, name: str, value: Any) -> None:
        self.put(name, json.dumps(value).encode())

    def get(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of an object from `start` up to, but without, `stop`. Not for empty ranges."""
        byte_range = f"bytes={start}-{'' if stop is None else stop - 1}"
        options = {} if (start, stop) == (0, None) else {"Range": byte_range}
        with translate_aws_errors(f"reading {self._uri(name)}"):
            found = self._s3.get_object(Bucket=self.bucket, Key=self.key(name), **options)
            content: bytes = found["Body"].read()
        return content

    def get_json(self, name: str) -> Any:
        return json.loads(self.get(name))

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        """Name and size of each object in a folder, by name."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.key(folder)
        )
        with translate_aws_errors(f"listing {self._uri(folder)}"):
            for page in pages:
                for found in page.get("Contents", []):
                    yield found["Key"].removeprefix(self._prefix), found["Size"]

    def _uri(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.key(name)}"


def in_parallel(call: Callable[[A], T], arguments: Iterable[A]) -> Iterator[T]:
    """The results of calls, in the order of their arguments. An error ends it."""
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(call, arguments)
