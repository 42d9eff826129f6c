"""The readings of a file are stored in DynamoDB."""

from pathlib import Path
from typing import Any

import pytest

from handlers.sensor import source as source_module
from handlers.sensor.errors import (
    NoValidReadingsError,
    SourceAccessDeniedError,
    SourceObjectChangedError,
    SourceObjectMissingError,
)
from handlers.sensor.process_file import handler
from handlers.shared.errors import AwsUnavailableError, ConfigurationError, InvalidEventError
from tests.unit.fakes import FakeContext, client_error

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

SAMPLE = Path("events/sensor/sensor_sample.csv")


def process(source: dict[str, Any], context: FakeContext) -> dict[str, Any]:
    result: dict[str, Any] = handler({"execution": EXECUTION, "source": source}, context)
    return result


def test_the_sample_is_stored(any_world: World, context: FakeContext) -> None:
    # Given the sample in the source bucket
    source = any_world.upload(SAMPLE.read_bytes())

    # When it is processed
    result = process(source, context)

    # Then its readings are in the table, and the result identifies the object
    assert any_world.readings() == {
        ("0000-0001", "1483906366"): "0.35",
        ("0000-0001", "1483906520"): "27.54",
        ("0000-0001", "1483908322"): "-12.93",
        ("0000-0011", "1483906376"): "-5.1",
        ("0000-0093", "1483906376"): "3.8",
        ("0000-0107", "1483906520"): "115.45",
        ("0000-2101", "1483908322"): "340",
    }
    assert result.pop("seconds") >= 0
    assert result == {
        "stored": 7,
        "duplicates": 1,
        "rejected": 0,
        "sensors": 5,
        "firstTimestamp": 1483906366,
        "lastTimestamp": 1483908322,
    } | {name: source[name] for name in ("etag", "versionId") if name in source}
    assert any_world.keys(TARGET) == []


def test_rejected_rows_are_written_to_the_target_bucket(world: World, context: FakeContext) -> None:
    result = process(world.upload(b"a,1,2\nrubbish\n"), context)
    assert result["rejectedKey"] == f"rejected/{KEY}.csv"
    assert world.read(TARGET, f"rejected/{KEY}.csv") == (
        b'line,reason,row\n2,"there must be 3 fields, not 1",rubbish\n'
    )


def test_numbers_at_the_limits_are_stored_exactly(world: World, context: FakeContext) -> None:
    digits = "1." + "2" * 37
    process(world.upload(f"a,1,{digits}\nb,-62135596800,-1E+125\n".encode()), context)
    assert world.readings()["a", "1"] == digits


def test_storing_a_file_twice_leaves_the_table_unchanged(
    world: World, context: FakeContext
) -> None:
    source = world.upload(b"a,1,1\na,2,2\na,1,3\n")
    first = process(source, context)
    table = world.readings()
    second = process(source, context)
    assert world.readings() == table == {("a", "1"): "3", ("a", "2"): "2"}
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_without_a_version_the_current_object_is_read_and_identified(
    any_world: World, context: FakeContext
) -> None:
    uploaded = any_world.upload(b"a,1,1\n")
    result = process({"bucketName": SOURCE, "objectKey": KEY}, context)
    assert result["etag"] == uploaded["etag"]
    assert result.get("versionId") == uploaded.get("versionId")


def test_the_version_of_the_event_is_read_although_there_is_a_newer_one(
    world: World, context: FakeContext
) -> None:
    older = world.upload(b"a,1,1\n")
    world.upload(b"a,1,2\n")
    process(older, context)
    assert world.readings() == {("a", "1"): "1"}


def test_without_versioning_a_replaced_file_is_an_error(world: World, context: FakeContext) -> None:
    older = world.upload(b"a,1,1\n")
    del older["versionId"]
    world.upload(b"a,1,2\n")
    with pytest.raises(SourceObjectChangedError, match=f"s3://{SOURCE}/2026/readings"):
        process(older, context)
    assert world.readings() == {}


def test_a_missing_file_is_an_error(any_world: World, context: FakeContext) -> None:
    with pytest.raises(SourceObjectMissingError, match=f"There is no s3://{SOURCE}/none.csv"):
        process({"bucketName": SOURCE, "objectKey": "none.csv"}, context)


def test_a_deleted_version_is_an_error(world: World, context: FakeContext) -> None:
    source = world.upload(b"a,1,1\n")
    world.s3.delete_object(Bucket=SOURCE, Key=KEY, VersionId=source["versionId"])
    with pytest.raises(SourceObjectMissingError):
        process(source, context)


@pytest.mark.parametrize("by_version", [False, True], ids=["key", "version"])
def test_a_delete_marker_is_an_error(world: World, context: FakeContext, by_version: bool) -> None:
    world.upload(b"a,1,1\n")
    marker = world.s3.delete_object(Bucket=SOURCE, Key=KEY)["VersionId"]
    source = {"bucketName": SOURCE, "objectKey": KEY}
    with pytest.raises(SourceObjectMissingError):
        process(source | ({"versionId": marker} if by_version else {}), context)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(client_error("AccessDenied", 403), SourceAccessDeniedError, id="denied"),
        pytest.param(client_error("SlowDown", 503), AwsUnavailableError, id="throttled"),
        pytest.param(client_error("MethodNotAllowed", 405), SourceObjectMissingError, id="marker"),
        pytest.param(
            client_error("InvalidArgument", 400, "Invalid version id specified"),
            SourceObjectMissingError,
            id="invalid-version-id",
        ),
    ],
)
def test_errors_of_s3_are_translated(
    world: World,
    context: FakeContext,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    raised: type[Exception],
) -> None:
    def fail(*_: Any) -> None:
        raise error

    source = world.upload(b"a,1,1\n")
    monkeypatch.setattr(source_module, "open_object", fail)
    with pytest.raises(raised, match=f"s3://{SOURCE}/2026/readings"):
        process(source, context)


def test_an_empty_file_is_an_error(world: World, context: FakeContext) -> None:
    with pytest.raises(NoValidReadingsError, match="has no rows"):
        process(world.upload(b""), context)


def test_many_rejected_rows_are_written_as_one_object(world: World, context: FakeContext) -> None:
    row = b"x" * 4000
    result = process(world.upload(b"a,1,1\n" + (row + b"\n") * 1400), context)
    written = world.read(TARGET, result["rejectedKey"])
    assert written
    assert written.count(row) == result["rejected"] == 1400
    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket=TARGET)


@pytest.mark.parametrize("variable", ["READINGS_TABLE", "TARGET_BUCKET"])
def test_a_missing_setting_is_named(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=variable):
        process(world.upload(b"a,1,1\n"), context)


def test_an_event_without_a_source_is_refused(world: World, context: FakeContext) -> None:
    with pytest.raises(InvalidEventError, match="source"):
        handler({"execution": EXECUTION}, context)
