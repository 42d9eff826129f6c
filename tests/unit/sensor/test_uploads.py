"""The name of an execution identifies the upload."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sensor.uploads import _execution_name, upload_records
from handlers.shared.errors import InvalidEventError

UPLOAD = ("bucket", "2026/readings.csv", "v1", "0065")


@given(st.text(), st.none() | st.text())
def test_the_name_for_any_key_is_valid_in_step_functions(key: str, version_id: str | None) -> None:
    name = _execution_name("bucket", key, version_id, "0065")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert name == _execution_name("bucket", key, version_id, "0065")


def test_the_name_shows_the_key() -> None:
    assert _execution_name(*UPLOAD).startswith("2026-readings-csv-")


@pytest.mark.parametrize("part", range(4), ids=["bucket", "key", "version", "sequencer"])
def test_another_upload_has_another_name(part: int) -> None:
    other = list(UPLOAD)
    other[part] += "x"
    assert _execution_name(*other) != _execution_name(*UPLOAD)


def test_the_test_event_of_s3_is_ignored() -> None:
    assert upload_records({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}) == []


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"source": {}}])
def test_an_event_that_is_not_a_notification_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(InvalidEventError, match="no Records"):
        upload_records(event)
