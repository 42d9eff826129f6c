"""The current time, and times as text: ISO 8601 in UTC."""

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
    """A time, or seconds since 1970, as text, such as 2026-01-31T12:00:00Z.

    `timespec` is that of `datetime.isoformat`: "milliseconds" adds them.
    """
    if not isinstance(moment, datetime):
        moment = _EPOCH + timedelta(seconds=moment)
    return moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def from_iso(text: str) -> datetime:
    """Parse an ISO 8601 time. Raises ValueError if it is invalid or has no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError(f"{text!r:.100} is not an ISO 8601 time.") from None
    if moment.tzinfo is None:
        raise ValueError(f"The time {text} has no time zone.")
    return moment
