"""A resource: its URL as given, the address that is requested, and the key of its object."""

import hashlib
from dataclasses import dataclass

from urllib3.util import Url

from handlers.images.http_client.addresses import DEFAULT_PORTS, parse_address
from handlers.images.http_client.errors import DownloadError

MAX_URL = 2048  # bytes; DynamoDB's limit for a partition key
_MAX_KEY = 1024  # bytes; S3's limit for an object key


@dataclass(frozen=True)
class Resource:
    url: str
    address: str  # percent-encoded, without dot segments and fragment
    key: str


def resource_url(base_url: str, path: str) -> str:
    return f"{base_url.rstrip('/')}/{path}"


def resource(url: str) -> Resource:
    """The resource at a URL. Raises DownloadError if the URL is not allowed."""
    parsed = parse_address(url)
    if len(url.encode()) > MAX_URL:
        raise DownloadError(f"URL longer than {MAX_URL:,} bytes")
    return Resource(url, parsed.url, _object_key(parsed))


def _object_key(address: Url) -> str:
    """`<host>/<full path>`, followed by the hash of the query, if any.

    Path and query are percent-encoded, as they are requested, so that two addresses never share a
    key. An encoded path cannot contain a `?`.
    """
    assert address.scheme
    port = "" if address.port in (None, DEFAULT_PORTS[address.scheme]) else f":{address.port}"
    query = "" if address.query is None else f"?{_digest(address.query)[:16]}"
    key = f"{address.host}{port}{address.path}{query}"
    return key if len(key) <= _MAX_KEY else f"{key[: _MAX_KEY - 65]}?{_digest(key)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
