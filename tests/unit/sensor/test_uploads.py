"""The name of an execution: the same for the same upload, another for another."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.sensor.uploads import _name, uploaded
from handlers.shared.errors import InvalidEventError

UPLOAD = ("bucket", "2026/readings.csv", "v1", "0065")


@given(st.text(), st.none() | st.text())
def test_every_key_makes_a_name_step_functions_takes(key: str, version_id: str | None) -> None:
    name = _name("bucket", key, version_id, "0065")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)
    assert name == _name("bucket", key, version_id, "0065")


def test_a_name_can_be_read() -> None:
    assert _name(*UPLOAD).startswith("2026-readings-csv-")


@pytest.mark.parametrize("part", range(4), ids=["bucket", "key", "version", "sequencer"])
def test_another_upload_has_another_name(part: int) -> None:
    other = list(UPLOAD)
    other[part] += "x"
    assert _name(*other) != _name(*UPLOAD)


def test_the_test_event_of_s3_is_ignored() -> None:
    assert uploaded({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}) == []


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"source": {}}])
def test_an_event_that_is_no_notification_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(InvalidEventError, match="no Records"):
        uploaded(event)
