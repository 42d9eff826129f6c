"""A range of a version of an object."""

from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import s3

from local.gaps import version_ranges

BUCKET, KEY, CONTENT = "version-ranges", "digits", b"0123456789"


@pytest.fixture
def version() -> Iterator[str]:
    """The id of a version with ten digits, which is not the current one."""
    s3._create_bucket(BUCKET, b"", {})
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    s3._put_bucket_versioning(BUCKET, enabled)
    _, headers, _ = s3._put_object(BUCKET, KEY, CONTENT, {})
    s3._put_object(BUCKET, KEY, b"newer", {})
    yield headers["x-amz-version-id"]
    s3._buckets.pop(BUCKET, None)
    s3._object_versions.pop((BUCKET, KEY), None)


def get(call: Any, version: str, byte_range: str) -> tuple[int, dict[str, str], bytes]:
    status, headers, body = call(BUCKET, KEY, {"range": byte_range}, {"versionId": [version]})
    return status, headers, body


def test_upstream_still_lacks_it(version: str) -> None:
    """When this fails, ministack has them, and local/gaps/version_ranges.py can go."""
    status, _, body = get(version_ranges._get_object_upstream, version, "bytes=2-4")

    assert (status, body) == (200, CONTENT)


@pytest.mark.parametrize(
    ("byte_range", "body", "content_range"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_the_range_of_the_version_is_returned(
    version: str, byte_range: str, body: bytes, content_range: str
) -> None:
    status, headers, found = get(version_ranges.get_object, version, byte_range)

    assert (status, found) == (206, body)
    assert headers["Content-Range"] == content_range
    assert headers["Content-Length"] == str(len(body))
    assert headers["x-amz-version-id"] == version


def test_a_range_after_the_end_is_refused(version: str) -> None:
    assert get(version_ranges.get_object, version, "bytes=10-12")[0] == 416


def test_a_request_without_a_range_is_unchanged(version: str) -> None:
    status, _, body = version_ranges.get_object(BUCKET, KEY, {}, {"versionId": [version]})

    assert (status, body) == (200, CONTENT)
