"""AWS Signature Version 4. Tests compare it with botocore's, and with AWS's test vectors.

botocore takes 60 to 150 µs for a signature. Here, whatever stays the same for a second (the key,
the headers, the credentials) is prepared once, and a signature takes about 5 µs.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
Headers = tuple[tuple[str, str], ...]


class Credentials(NamedTuple):
    """Keys that sign requests; temporary ones have a session token."""

    access_key: str
    secret_key: str
    token: str | None = None


class _Prepared(NamedTuple):
    """What requests of the same second, method, target and headers have in common."""

    head: bytes  # the request as it is sent, up to the signature
    canonical: bytes  # the canonical request, up to the hash of the body
    to_sign: bytes  # the string to sign, up to the hash of the canonical request
    key: bytes


class SigV4:
    """Signs requests to one service in one region.

    `credentials` is called about once a second, so that expired credentials are replaced. Safe to
    use from several threads.
    """

    def __init__(
        self,
        service: str,
        region: str,
        host: str,
        credentials: Callable[[], Credentials],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._region = region
        self._host = host
        self._credentials = credentials
        self._clock = clock
        self._last: tuple[tuple[object, ...], _Prepared] | None = None
        self._last_key: tuple[tuple[str, str], bytes] | None = None

    def head(
        self, method: str, target: str, headers: Headers, body_sha256: str, length: int
    ) -> bytes:
        """Request line and headers of a signed request with a body. All `headers` are signed.

        `target` is the percent-encoded path with the query, as it is sent. S3 also requires the
        body's hash in the header x-amz-content-sha256.
        """
        request = (int(self._clock()), method, target, headers)
        last = self._last
        if last is not None and last[0] == request:
            prepared = last[1]
        else:
            prepared = self._prepare(*request)
            self._last = (request, prepared)
        digest = hashlib.sha256(prepared.canonical + body_sha256.encode()).hexdigest().encode()
        signature = hmac.digest(prepared.key, prepared.to_sign + digest, "sha256").hex().encode()
        return b"%b%b\r\nContent-Length: %d\r\n\r\n" % (prepared.head, signature, length)

    def _prepare(self, second: int, method: str, target: str, headers: Headers) -> _Prepared:
        credentials = self._credentials()
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        sent = (("Host", self._host), ("X-Amz-Date", timestamp), *headers)
        if credentials.token:
            sent += (("X-Amz-Security-Token", credentials.token),)
        values: dict[str, list[str]] = {}
        for name, value in sent:
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
        names = ";".join(sorted(values))
        lines = "".join(f"{name}:{','.join(values[name])}\n" for name in sorted(values))
        path, _, query = target.partition("?")
        if self._service != "s3":
            path = quote(_without_dots(path), safe="/~")
        scope = f"{timestamp[:8]}/{self._region}/{self._service}/aws4_request"
        head = "".join(f"{name}: {value}\r\n" for name, value in sent)
        return _Prepared(
            f"{method} {target} HTTP/1.1\r\n{head}Authorization: {ALGORITHM} "
            f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
            "Signature=".encode(),
            f"{method}\n{path}\n{_sorted_query(query)}\n{lines}\n{names}\n".encode(),
            f"{ALGORITHM}\n{timestamp}\n{scope}\n".encode(),
            self._key(credentials.secret_key, timestamp[:8]),
        )

    def _key(self, secret: str, day: str) -> bytes:
        last = self._last_key
        if last is not None and last[0] == (secret, day):
            return last[1]
        key = f"AWS4{secret}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._last_key = ((secret, day), key)
        return key


def _sorted_query(query: str) -> str:
    if not query:
        return ""
    pairs = sorted(part.partition("=")[::2] for part in query.split("&"))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _without_dots(path: str) -> str:
    """The path without empty, `.` and `..` segments, as every service but S3 signs it."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return f"/{'/'.join(segments)}{'/' if segments and path.endswith('/') else ''}"
