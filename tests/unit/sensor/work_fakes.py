"""S3 in memory, with ranges, for the functions that process a file in segments."""

from dataclasses import dataclass, field
from typing import Any

from tests.unit.fakes import client_error

from .fakes import FakeBody

ETAG = "the-etag"


@dataclass
class ObjectStore:
    """Objects by key, with the operations that these functions call."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, list[bytes]] = field(default_factory=dict)
    etag: str = ETAG
    chunk: int = 1000
    requests: list[str] = field(default_factory=list)

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

    def put_object(self, **request: Any) -> None:
        self.requests.append("put_object")
        self.objects[request["Key"]] = bytes(request["Body"])

    def create_multipart_upload(self, **request: Any) -> dict[str, str]:
        self.uploads[request["Key"]] = []
        return {"UploadId": "upload"}

    def upload_part(self, **request: Any) -> dict[str, str]:
        self.requests.append("upload_part")
        return self._add_part(request, bytes(request["Body"]))

    def upload_part_copy(self, **request: Any) -> dict[str, Any]:
        self.requests.append("upload_part_copy")
        first, _, last = request["CopySourceRange"].removeprefix("bytes=").partition("-")
        content = self.objects[request["CopySource"]["Key"]][int(first) : int(last) + 1]
        return {"CopyPartResult": self._add_part(request, content)}

    def _add_part(self, request: dict[str, Any], content: bytes) -> dict[str, str]:
        parts = self.uploads[request["Key"]]
        assert request["PartNumber"] == len(parts) + 1
        parts.append(content)
        return {"ETag": f"part-{len(parts)}"}

    def complete_multipart_upload(self, **request: Any) -> None:
        parts = self.uploads.pop(request["Key"])
        numbers = [part["PartNumber"] for part in request["MultipartUpload"]["Parts"]]
        assert numbers == list(range(1, len(parts) + 1))
        assert all(len(part) >= 5 * 1024 * 1024 for part in parts[:-1]), "EntityTooSmall"
        self.objects[request["Key"]] = b"".join(parts)

    def abort_multipart_upload(self, **request: Any) -> None:
        del self.uploads[request["Key"]]

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        """Pages of two objects."""
        keys = sorted(key for key in self.objects if key.startswith(request["Prefix"]))
        found = [{"Key": key, "Size": len(self.objects[key])} for key in keys]
        return [{"Contents": found[i : i + 2]} for i in range(0, len(found), 2)] or [{}]


class _Body(FakeBody):
    def read(self) -> bytes:
        return b"".join(self.chunks)
