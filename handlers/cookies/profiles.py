"""Fetching a profile by its presigned URL, which no error may tell."""

from typing import Any

import requests

from handlers.cookies.errors import ProfileUnavailableError

_TIMEOUT = (3.05, 10)  # to connect, and between two bytes


def fetch(url: str) -> dict[str, Any]:
    """The profile; ProfileUnavailableError, without the URL, if there is none to be had."""
    try:
        answer = requests.get(url, timeout=_TIMEOUT, allow_redirects=False)
        profile = answer.json() if answer.status_code == 200 else None
    except (requests.RequestException, ValueError) as error:
        # `from None`: what requests says has the URL in it, and Lambda logs whole chains.
        raise ProfileUnavailableError(
            f"The profile could not be fetched: {type(error).__name__}."
        ) from None
    if not isinstance(profile, dict):
        raise ProfileUnavailableError(
            f"The profile could not be fetched: HTTP status {answer.status_code}."
        )
    return profile
