"""Objects for code that reads them with `open_object`, from a fake.

monkeypatch.setattr(source, "open_object", opened_with(lambda: s3))
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any

Opened = tuple[dict[str, str], Generator[bytes]]


def opened_with(client: Callable[[], Any]) -> Callable[..., Opened]:
    """`open_object` by means of what has the get_object of a client of S3."""

    def open_object(
        request: Mapping[str, str],
        byte_range: tuple[int, int] | None = None,
        *,
        bucket: Any = None,
    ) -> Opened:
        options = {"Range": f"bytes={byte_range[0]}-{byte_range[1] - 1}"} if byte_range else {}
        response = client().get_object(**request, **options)
        return response, _parts(response["Body"])

    return open_object


def _parts(body: Any) -> Generator[bytes]:
    try:
        yield from body.iter_chunks(1024 * 1024)
    finally:
        body.close()
