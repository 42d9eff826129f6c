"""Checks which URLs may be requested."""

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from handlers.images.http_client.errors import DownloadError

DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_address(url: str) -> Url:
    """The URL as it is requested. Raises DownloadError if it may not be requested."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise DownloadError("Not a valid URL") from None
    if parsed.scheme not in DEFAULT_PORTS:
        raise DownloadError("Neither http nor https")
    if not parsed.host:
        raise DownloadError("Not a valid URL")
    if parsed.auth is not None:
        raise DownloadError("Credentials in a URL are not allowed")
    return parsed._replace(path=parsed.path or "/", fragment=None)
