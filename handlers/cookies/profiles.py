"""Fetch a profile by its presigned URL. No error message may contain the URL."""

from typing import Any

import requests

from handlers.cookies.errors import ProfileUnavailableError

_TIMEOUT = (3.05, 10)  # seconds: to connect, and to wait for the next byte


def fetch(url: str) -> dict[str, Any]:
    """The profile; ProfileUnavailableError, without the URL, if it cannot be fetched."""
    try:
        response = requests.get(url, timeout=_TIMEOUT, allow_redirects=False)
        profile = response.json() if response.status_code == 200 else None
    except (requests.RequestException, ValueError) as error:
        # `from None`: the original message has the URL, and Lambda logs the whole chain of errors.
        raise ProfileUnavailableError(
            f"The profile could not be fetched: {type(error).__name__}."
        ) from None
    if not isinstance(profile, dict):
        raise ProfileUnavailableError(
            f"The profile could not be fetched: HTTP status {response.status_code}."
        )
    return profile
