"""S3 in memory, with ranges, for the functions that process a file in segments."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.sensor import object_writer, source, work_area
from tests.support.s3_objects import opened_with
from tests.unit.fakes import client_error

from .fakes import FakeBody, FakeBucket

ETAG = "the-etag"


@dataclass
class ObjectStore(FakeBucket):
    """A bucket whose objects can be read, too."""

    etag: str = ETAG
    chunk: int = 1000

    def head_object(self, **request: Any) -> dict[str, Any]:
        self._check(request)
        return {"ETag": f'"{self.etag}"', "ContentLength": len(self.objects[request["Key"]])}

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.requests.append("get_object")
        self._check(request)
        content = self.objects[request["Key"]]
        response: dict[str, Any] = {"ETag": f'"{self.etag}"'}
        if "Range" in request:
            first, _, last = request["Range"].removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1 if last else len(content), len(content))
            assert start < stop, "InvalidRange"
            response["ContentRange"] = f"bytes {start}-{stop - 1}/{len(content)}"
            content = content[start:stop]
        chunks = [content[i : i + self.chunk] for i in range(0, len(content), self.chunk)]
        return response | {"Body": _Body(chunks)}

    def _check(self, request: dict[str, Any]) -> None:
        if request["Key"] not in self.objects:
            raise client_error("NoSuchKey", 404)
        if request.get("IfMatch", f'"{self.etag}"') != f'"{self.etag}"':
            raise client_error("PreconditionFailed", 412)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The functions of the sensor workflow use this store."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "client", lambda service: self)
            for module in (source, object_writer, work_area):
                patch.setattr(module, "open_object", opened_with(lambda: self))
            for bucket_module in (object_writer, work_area):
                patch.setattr(bucket_module, "shared_bucket", lambda name: self)
            yield


class _Body(FakeBody):
    def read(self) -> bytes:
        return b"".join(self.chunks)
