"""Fetches one resource with `requests`: redirects, retries and limits."""

import re
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from handlers.images.http_client.addresses import parse_address
from handlers.images.http_client.connections import CheckedAdapter, Resolver, has_surplus
from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.time_limit import TimeLimit
from handlers.shared.backoff import Backoff, full_jitter
from handlers.shared.clock import now

MAX_REDIRECTS = 5
ATTEMPTS = 3
BACKOFF = full_jitter(0.5, maximum=8)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 64 * 1024
_MAX_DRAINED = 64 * 1024  # responses up to this size are drained so that the connection is reused
_RETRY_AFTER_SECONDS = re.compile(r"[0-9]{1,9}")  # at most 31 years
_GET = requests.Request(
    "GET",
    "http://none.invalid/",  # each request is a copy with its own URL
    headers={
        "User-Agent": "stepworks-images/1.0",
        "Accept": "*/*",
        "Accept-Encoding": "identity",  # the unchanged file
        "Connection": "keep-alive",
    },
).prepare()


@dataclass(frozen=True)
class Limits:
    """The limits of a download."""

    max_bytes: int
    connect_seconds: float = 3
    read_seconds: float = 10  # without receiving a byte


@dataclass(frozen=True)
class Fetched:
    """The size of a body, and its type and encoding as the server declared them."""

    size: int
    content_type: str | None
    content_encoding: str | None


class Fetcher:
    """One pooled session for all threads. It keeps no state between responses."""

    def __init__(
        self,
        resolve: Resolver,
        limits: Limits,
        *,
        connections: int,
        backoff: Backoff = BACKOFF,
        trusted: str | bool = True,
    ) -> None:
        """`trusted`: a file with the certificates to trust instead of the default ones."""
        self._limits = limits
        self._backoff = backoff
        self._trusted = trusted
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, CheckedAdapter(resolve, connections=connections))

    def close(self) -> None:
        self._session.close()

    def fetch(self, address: str, sink: IO[bytes], limit: TimeLimit) -> Fetched:
        """Write the body of the resource to `sink`. Raises DownloadError.

        429, 5xx and broken connections are retried within the time limit, after Retry-After or a
        random pause, whichever is longer.
        """
        attempt = 1
        while True:
            try:
                return self._follow(address, sink, limit)
            except DownloadError as error:
                pause = max(error.retry_after, self._backoff(attempt))
                if not error.transient or attempt == ATTEMPTS or pause >= limit.remaining:
                    raise
            time.sleep(pause)
            sink.seek(0)
            sink.truncate()
            attempt += 1

    def _follow(self, address: str, sink: IO[bytes], limit: TimeLimit) -> Fetched:
        for _ in range(1 + MAX_REDIRECTS):
            with self._get(address, limit) as response:
                if response.status_code == HTTPStatus.OK:
                    return self._receive(response, sink, limit)
                target = _redirect_target(response)
                if target is None:
                    raise _http_error(response)
                _drain(response)
                _check_end(response)
            address = target
        raise DownloadError(f"More than {MAX_REDIRECTS} redirects")

    def _get(self, address: str, limit: TimeLimit) -> requests.Response:
        if limit.is_over():
            raise DownloadError("Out of time")
        request = _GET.copy()
        request.url = address
        timeout = (
            min(self._limits.connect_seconds, limit.remaining),
            min(self._limits.read_seconds, limit.remaining),
        )
        try:
            # Session.send is not used: it reads the body of a redirect without a limit, keeps
            # cookies, takes a proxy (which would bypass our check) and a .netrc from the
            # environment, and takes almost as much CPU time as the rest of a GET.
            response = self._session.get_adapter(address).send(
                request, stream=True, timeout=timeout, verify=self._trusted
            )
        except requests.RequestException as error:
            raise self._request_error(error, limit) from error
        if limit.is_over():  # the response may be incomplete
            response.close()
            raise DownloadError("Out of time")
        return response

    def _receive(self, response: requests.Response, sink: IO[bytes], limit: TimeLimit) -> Fetched:
        """Write the body to `sink`, unchanged, and count its bytes on the way."""
        max_bytes = self._limits.max_bytes
        too_large = DownloadError(f"Larger than {max_bytes:,} bytes", status=response.status_code)
        declared = response.raw.length_remaining
        if declared is not None and declared > max_bytes:
            raise too_large
        size = 0
        try:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                sink.write(chunk)
        except HTTPError as error:
            raise self._request_error(error, limit) from error
        if limit.is_over():  # a response without a length looks complete when it is cut
            raise DownloadError("Out of time")
        _check_end(response)
        return Fetched(
            size, response.headers.get("Content-Type"), response.headers.get("Content-Encoding")
        )

    def _request_error(
        self, error: requests.RequestException | HTTPError, limit: TimeLimit
    ) -> DownloadError:
        """The error for a request without a complete response."""
        if limit.is_over():
            return DownloadError("Out of time")
        match error:
            case requests.ConnectTimeout():
                return DownloadError(
                    f"No connection within {self._limits.connect_seconds:g} s", transient=True
                )
            case requests.ReadTimeout() | ReadTimeoutError():
                return DownloadError(f"No data for {self._limits.read_seconds:g} s", transient=True)
            case requests.exceptions.SSLError():
                return DownloadError("No trusted TLS connection")
            case requests.ConnectionError() | HTTPError():
                cause = getattr(error.args[0], "reason", None) if error.args else None
                refused = isinstance(cause, NewConnectionError)
                reason = "No connection" if refused else "Incomplete or invalid response"
                return DownloadError(reason, transient=True)
        return DownloadError("Not a valid request")  # refused by `requests` itself


def _redirect_target(response: requests.Response) -> str | None:
    """The target of a redirect, checked like every address; None if this is not a redirect."""
    if response.status_code not in _REDIRECTS or "Location" not in response.headers:
        return None
    # http.client decodes headers as Latin-1, but servers write UTF-8.
    location = response.headers["Location"].encode("latin-1").decode(errors="replace")
    try:
        target = urljoin(response.url, location)
    except ValueError:
        raise DownloadError("Not a valid URL") from None
    return parse_address(target).url


def _http_error(response: requests.Response) -> DownloadError:
    status = response.status_code
    _drain(response)
    if status == HTTPStatus.NOT_FOUND:
        return DownloadError("Could not find", status=status)
    return DownloadError(
        f"HTTP error {status} - {_reason(response)}",
        status=status,
        transient=status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500,
        retry_after=_retry_after(response.headers.get("Retry-After", "")),
    )


def _reason(response: requests.Response) -> str:
    """The server's reason phrase, or the standard one if it sent none."""
    if response.reason and response.reason.isprintable():
        return response.reason[:100]
    try:
        return HTTPStatus(response.status_code).phrase
    except ValueError:
        return "no reason given"


def _retry_after(value: str) -> float:
    """Retry-After in seconds, from seconds or a date (RFC 9110, 10.2.3); 0 if it is invalid."""
    value = value.strip()
    if _RETRY_AFTER_SECONDS.fullmatch(value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        if until.tzinfo is None:  # "-0000"
            until = until.replace(tzinfo=UTC)
        return max(0.0, until.timestamp() - now())
    except (ValueError, OverflowError):  # not a date, or outside the range of datetime
        return 0.0


def _check_end(response: requests.Response) -> None:
    """Refuse a response that is longer than it declared: its end is not known."""
    if has_surplus(response.raw):
        raise DownloadError("Sent more than it declared", status=response.status_code)


def _drain(response: requests.Response) -> None:
    """Drain the rest of a small response so that the connection can be reused."""
    length = response.raw.length_remaining
    if length is not None and length <= _MAX_DRAINED:
        try:
            response.raw.read(decode_content=False)
        except HTTPError:
            response.close()
