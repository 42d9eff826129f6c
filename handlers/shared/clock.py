"""The time now, and times as text: UTC, in ISO 8601."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def milliseconds(seconds: float) -> int:
    """Milliseconds since 1970, from seconds since 1970."""
    return round(seconds * 1000)


def iso(moment: float | datetime, timespec: str = "seconds") -> str:
    """A time, or seconds since 1970, as text: 2026-01-31T12:00:00Z, or to the millisecond."""
    if not isinstance(moment, datetime):
        moment = _EPOCH + timedelta(seconds=moment)
    return moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def from_iso(text: str) -> datetime:
    """The time that a text in ISO 8601 names; ValueError if it is none or has no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"{text!r:.100} is not an ISO 8601 time.") from None
    if moment.tzinfo is None:
        raise ValueError(f"The time {text} has no time zone.")
    return moment
