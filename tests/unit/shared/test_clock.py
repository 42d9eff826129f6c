"""Times are UTC, in ISO 8601."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from handlers.shared.clock import from_iso, iso, milliseconds

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=2))),
        NOON + timedelta(milliseconds=999),
        NOON.timestamp(),
        NOON.timestamp() + 0.999,
        int(NOON.timestamp()),
    ],
    ids=["UTC", "another zone", "milliseconds", "seconds", "parts of a second", "whole seconds"],
)
def test_a_time_is_formatted_in_utc_to_the_second(moment: float | datetime) -> None:
    assert iso(moment) == "2026-01-31T12:00:00Z"


def test_a_time_can_be_formatted_to_the_millisecond() -> None:
    assert iso(NOON + timedelta(microseconds=1500), "milliseconds") == "2026-01-31T12:00:00.001Z"


def test_a_time_before_1970_is_formatted() -> None:
    assert iso(-1) == "1969-12-31T23:59:59Z"


def test_seconds_become_milliseconds() -> None:
    assert milliseconds(NOON.timestamp() + 0.25) == 1_769_860_800_250


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T14:00:00.000+02:00"])
def test_a_time_is_parsed(text: str) -> None:
    assert from_iso(text) == NOON


@pytest.mark.parametrize("text", ["", "noon", "2026-01-31T12:00:00", "1769860800"])
def test_a_text_without_a_time_and_zone_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"ISO 8601|no time zone"):
        from_iso(text)
