"""References to objects and their versions."""

from typing import Any

import pytest

from handlers.sensor.source import ObjectRef, pinned_to
from handlers.shared.errors import InvalidEventError

OBJECT = {"bucketName": "bucket", "objectKey": "a/b.csv"}


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        pytest.param({}, (None, None), id="none"),
        pytest.param({"versionId": "v1", "etag": "abc"}, ("v1", "abc"), id="both"),
        pytest.param({"etag": '"abc"'}, (None, "abc"), id="quoted-etag"),
        pytest.param({"versionId": "null"}, (None, None), id="versioning-suspended"),
        pytest.param({"versionId": None, "etag": None}, (None, None), id="nulls"),
    ],
)
def test_an_object_is_read_from_an_event(pins: dict[str, Any], expected: tuple[str, str]) -> None:
    source = ObjectRef.from_event({"source": OBJECT | pins})
    assert (source.bucket, source.key) == ("bucket", "a/b.csv")
    assert (source.version_id, source.etag) == expected
    assert source.uri == "s3://bucket/a/b.csv"


@pytest.mark.parametrize("missing", ["bucketName", "objectKey"])
def test_a_missing_field_of_a_source_is_named(missing: str) -> None:
    incomplete = {name: value for name, value in OBJECT.items() if name != missing}
    with pytest.raises(InvalidEventError, match=missing):
        ObjectRef.from_event({"source": incomplete})


def test_new_pins_replace_the_pins_of_the_event() -> None:
    pinned = ObjectRef("bucket", "key", "v1", "old")
    assert pinned.pinned_by({"etag": "new"}) == ObjectRef("bucket", "key", "v1", "new")
    assert pinned.pinned_by({}) == pinned


def test_a_response_pins_the_object() -> None:
    response = {"ETag": '"abc"', "VersionId": "v2"}
    assert pinned_to(ObjectRef("bucket", "key"), response) == ObjectRef(
        "bucket", "key", "v2", "abc"
    )


def test_a_request_names_exactly_the_pinned_object() -> None:
    assert ObjectRef("bucket", "key").request() == {"Bucket": "bucket", "Key": "key"}
    assert ObjectRef("bucket", "key", "v1", "abc").request() == {
        "Bucket": "bucket",
        "Key": "key",
        "VersionId": "v1",
        "IfMatch": '"abc"',
    }
