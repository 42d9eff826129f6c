"""Checks the request for a run of downloads.

API Gateway makes the same checks with `request.schema.json`, but not for an execution started by
hand.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from handlers.images.errors import InvalidDownloadRequestError
from handlers.shared.text import is_utf8

MAX_PATHS = 10_000
MAX_CONCURRENCY = 64
MAX_LENGTH = 1024  # characters, of the base URL and of a path

# Without user, password, query and fragment.
_BASE_URL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\\\s]+(/[^?#\\\s]*)?")
# RFC 3986, "path-noscheme": a path that starts with a slash or has a colon in its first segment
# would not be relative to the base URL.
_RELATIVE_PATH = re.compile(
    r"[^/\\:?#\x00-\x20][^/\\:?#\x00-\x1f]*([/?][^\\#\x00-\x1f]*)?",
)
_FIELDS = {"baseUrl", "resourcePaths", "lambdaConcur"}


@dataclass(frozen=True)
class DownloadRequest:
    """The resources to download, in the requested order, and the number of parallel requests."""

    base_url: str
    resource_paths: tuple[str, ...]  # with duplicates
    concurrency: int  # requests that one function has open at the same time

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Check a request. Raises InvalidDownloadRequestError, which says what is wrong."""
        if not isinstance(event, Mapping):
            raise InvalidDownloadRequestError("The request is not an object.")
        if unknown := sorted(set(event) - _FIELDS):
            raise InvalidDownloadRequestError(f"The request has unknown fields: {unknown!r:.300}")
        if missing := sorted(_FIELDS - set(event)):
            raise InvalidDownloadRequestError(f"The request lacks {', '.join(missing)}.")
        return cls(
            _base_url(event["baseUrl"]),
            _resource_paths(event["resourcePaths"]),
            _concurrency(event["lambdaConcur"]),
        )


def _base_url(value: Any) -> str:
    if not _is_text(value) or not _BASE_URL.fullmatch(value):
        raise InvalidDownloadRequestError(
            "baseUrl must be an http or https address without credentials, query and fragment, of "
            f"at most {MAX_LENGTH:,} characters."
        )
    return str(value)


def _resource_paths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PATHS:
        raise InvalidDownloadRequestError(
            f"resourcePaths must be a list of 1 to {MAX_PATHS:,} paths."
        )
    for index, path in enumerate(value):
        if not _is_text(path) or not _RELATIVE_PATH.fullmatch(path):
            raise InvalidDownloadRequestError(
                f"resourcePaths[{index}] must be a path relative to baseUrl, of at most "
                f"{MAX_LENGTH:,} characters."
            )
    return tuple(value)


def _concurrency(value: Any) -> int:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or not 1 <= value <= MAX_CONCURRENCY:
        raise InvalidDownloadRequestError(
            f"lambdaConcur must be a whole number from 1 to {MAX_CONCURRENCY}."
        )
    return int(value)


def _is_text(value: Any) -> bool:
    """Whether it is a string of at most MAX_LENGTH characters that UTF-8 can encode."""
    return isinstance(value, str) and len(value) <= MAX_LENGTH and is_utf8(value)
