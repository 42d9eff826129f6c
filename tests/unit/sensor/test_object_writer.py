"""Objects that are written while their content is produced, and stored objects appended to them."""

import random
from collections.abc import Iterator

import pytest

from handlers.sensor import object_writer
from handlers.sensor.object_writer import MIN_PART, ObjectWriter

from .work_fakes import ObjectStore

MIB = 1024 * 1024


@pytest.fixture
def s3() -> Iterator[ObjectStore]:
    store = ObjectStore(chunk=MIB)
    with store.in_use():
        yield store


def writer() -> ObjectWriter:
    return ObjectWriter("bucket", "all", content_type="text/csv", description="rows")


@pytest.mark.parametrize(
    ("sizes", "copies"),
    [
        pytest.param([10, 20], 0, id="small"),
        pytest.param([6 * MIB], 0, id="heading-and-one"),
        pytest.param([12 * MIB], 1, id="heading-and-a-large-one"),
        pytest.param([12 * MIB, 12 * MIB, 12 * MIB], 3, id="large"),
        pytest.param([12 * MIB, 3 * MIB, 12 * MIB, 1], 2, id="mixed"),
        pytest.param([3 * MIB, 3 * MIB, 3 * MIB], 0, id="below-a-part"),
        pytest.param([MIN_PART, MIN_PART], 0, id="exact-parts"),
    ],
)
def test_stored_objects_are_appended_in_order(
    s3: ObjectStore, sizes: list[int], copies: int
) -> None:
    # Given stored objects
    rng = random.Random(1)
    for number, size in enumerate(sizes):
        s3.objects[str(number)] = rng.randbytes(size)
    expected = b"heading" + b"".join(s3.objects.values())

    # When they are appended to a heading
    with writer() as rows:
        rows.write(b"heading")
        for number, size in enumerate(sizes):
            rows.append("bucket", str(number), size)

    # Then the object has all of it, and large parts were copied by S3
    assert s3.objects["all"] == expected
    assert s3.requests.count("copy_part") == copies


def test_an_object_larger_than_a_part_may_be_is_copied_in_parts(
    s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_writer, "_MAX_COPY", 12 * MIB)
    content = random.Random(2).randbytes(31 * MIB)
    s3.objects["large"] = content

    with writer() as rows:
        rows.append("bucket", "large", len(content))

    assert s3.objects["all"] == content
    assert s3.requests.count("copy_part") >= 3


def test_without_content_there_is_no_object(s3: ObjectStore) -> None:
    with writer() as rows:
        rows.write(b"")
    assert s3.objects == {}
