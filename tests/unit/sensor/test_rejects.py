"""Rejected rows are written to S3 while the file is read."""

import csv
import io
from typing import Any

import pytest

from handlers.sensor import object_writer
from handlers.sensor.object_writer import MIN_PART
from handlers.sensor.rejects import RejectedRows
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import client_error

from .fakes import FakeS3

KEY = "rejected/file.csv.csv"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    fake = FakeS3()
    monkeypatch.setattr(object_writer, "shared_bucket", lambda name: fake)
    return fake


def test_without_rejected_rows_there_is_no_object(s3: FakeS3) -> None:
    with RejectedRows("bucket", KEY):
        pass
    assert s3.objects == {}


@pytest.mark.parametrize(
    ("row", "written"),
    [
        pytest.param(b"a,1", "a,1", id="plain"),
        pytest.param(b'a,"1', 'a,"1', id="broken-quotes"),
        pytest.param("Zürich".encode(), "Zürich", id="utf-8"),
        pytest.param(b"\xffa\xfe", r"\xffa\xfe", id="not-utf-8"),
        pytest.param(b"a\rb", r"a\rb", id="carriage-return"),
        pytest.param(b"a\0b", "a\0b", id="nul"),
        pytest.param(b"x" * 4097, "x" * 4096, id="over-long"),
        pytest.param(b"=1+1", "=1+1", id="formula"),
    ],
)
def test_a_few_rows_are_written_as_one_object(s3: FakeS3, row: bytes, written: str) -> None:
    # When a row is rejected
    with RejectedRows("bucket", KEY) as rows:
        rows.add(7, "a reason, with a comma", row)

    # Then a CSV reader reads it unchanged
    text = io.StringIO(s3.objects[KEY].decode(), newline="")
    assert list(csv.reader(text)) == [
        ["line", "reason", "row"],
        ["7", "a reason, with a comma", written],
    ]


def test_many_rows_are_uploaded_in_parts(s3: FakeS3) -> None:
    # Given rows for slightly more than two parts
    count = 2 * MIN_PART // 4000 + 100

    # When they are rejected, then full parts are uploaded at once
    with RejectedRows("bucket", KEY) as rows:
        for line in range(count):
            rows.add(line, "long", b"x" * 4000)
        assert len(s3.uploads[KEY]) == 2

    # And at the end there is one object with all rows
    lines = s3.objects[KEY].splitlines()
    assert len(lines) == count + 1
    assert lines[-1] == f"{count - 1},long,".encode() + b"x" * 4000
    assert rows.count == count


def reject_and_fail(parts: int) -> None:
    with RejectedRows("bucket", KEY) as rows:
        for line in range(parts * MIN_PART // 4000 + 2):
            rows.add(line, "long", b"x" * 4000)
        raise ZeroDivisionError


@pytest.mark.parametrize("parts", [0, 1], ids=["none-uploaded", "a-part-uploaded"])
def test_an_error_leaves_no_object_and_no_upload(s3: FakeS3, parts: int) -> None:
    with pytest.raises(ZeroDivisionError):
        reject_and_fail(parts)
    assert (s3.objects, s3.uploads) == ({}, {})


@pytest.mark.parametrize(
    ("operation", "rows"),
    [("put", 1), ("upload_part", 1400), ("complete_upload", 1400)],
)
def test_a_failed_upload_leaves_no_object_and_no_upload(
    s3: FakeS3, operation: str, rows: int
) -> None:
    s3.failing_operation = operation
    with (
        pytest.raises(AwsUnavailableError, match="a fault"),
        RejectedRows("bucket", KEY) as rejected,
    ):
        list(map(rejected.add, range(rows), ["long"] * rows, [b"x" * 4000] * rows))
    assert (s3.objects, s3.uploads) == ({}, {})


def test_a_missing_multipart_upload_is_a_transient_error(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may return NoSuchUpload if CompleteMultipartUpload is repeated after a lost response."""

    def fail(*_: Any) -> None:
        raise client_error("NoSuchUpload", 404)

    monkeypatch.setattr(s3, "complete_upload", fail)
    with (
        pytest.raises(AwsUnavailableError, match="unknown whether the rejected rows"),
        RejectedRows("bucket", KEY) as rejected,
    ):
        list(map(rejected.add, range(1400), ["long"] * 1400, [b"x" * 4000] * 1400))


def test_a_failed_abort_does_not_hide_the_first_error(s3: FakeS3) -> None:
    s3.failing_operation = "abort_upload"
    with pytest.raises(ZeroDivisionError):
        reject_and_fail(1)
