"""Which object is meant."""

from typing import Any

import pytest

from handlers.sensor.source import ObjectRef, pinned_to
from handlers.shared.errors import InvalidEventError

PLACE = {"bucketName": "bucket", "objectKey": "a/b.csv"}


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
def test_the_object_of_an_event(pins: dict[str, Any], expected: tuple[str, str]) -> None:
    source = ObjectRef.from_event({"source": PLACE | pins})
    assert (source.bucket, source.key) == ("bucket", "a/b.csv")
    assert (source.version_id, source.etag) == expected
    assert source.uri == "s3://bucket/a/b.csv"


@pytest.mark.parametrize("missing", ["bucketName", "objectKey"])
def test_an_incomplete_source_is_named(missing: str) -> None:
    place = {name: value for name, value in PLACE.items() if name != missing}
    with pytest.raises(InvalidEventError, match=missing):
        ObjectRef.from_event({"source": place})


def test_what_was_read_goes_before_what_was_announced() -> None:
    announced = ObjectRef("bucket", "key", "v1", "old")
    assert announced.pinned_by({"etag": "new"}) == ObjectRef("bucket", "key", "v1", "new")
    assert announced.pinned_by({}) == announced


def test_an_answer_pins() -> None:
    answer = {"ETag": '"abc"', "VersionId": "v2"}
    assert pinned_to(ObjectRef("bucket", "key"), answer) == ObjectRef("bucket", "key", "v2", "abc")


def test_a_request_asks_for_that_object_and_no_other() -> None:
    assert ObjectRef("bucket", "key").request() == {"Bucket": "bucket", "Key": "key"}
    assert ObjectRef("bucket", "key", "v1", "abc").request() == {
        "Bucket": "bucket",
        "Key": "key",
        "VersionId": "v1",
        "IfMatch": '"abc"',
    }
