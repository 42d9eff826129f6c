"""Finds the URL, region and credentials of a service as botocore does, without it on Lambda."""

import os
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from handlers.shared.aws_http.signature import Credentials

# botocore's partition "aws"; other partitions have other domains.
_REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")  # no dots: a host name that TLS covers
_URL = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?")
# Settings that change endpoints or credentials in ways that only botocore knows.
_LEFT_TO_BOTOCORE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
)


class Endpoint(NamedTuple):
    """The URL of a service, or of a bucket, and what its requests are signed with."""

    service: str
    url: str  # without a slash at its end
    region: str
    credentials: Callable[[], Credentials]

    @property
    def host(self) -> str:
        """The Host header: without the protocol's default port."""
        url = urlsplit(self.url)
        default = {"http": 80, "https": 443}[url.scheme]
        return url.netloc if url.port != default else url.netloc.rpartition(":")[0]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def endpoint(service: str, bucket: str | None = None) -> Endpoint:
    """The endpoint of a service; of a bucket if one is named.

    A Lambda function usually finds all of this in environment variables. If variables are missing
    or a setting is unusual, botocore decides.
    """
    return _from_environment(service, bucket) or _from_botocore(service, bucket)


def _from_environment(service: str, bucket: str | None) -> Endpoint | None:
    env = os.environ
    config = Path(env.get("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    region = env.get("AWS_DEFAULT_REGION", "")
    if (
        any(map(env.get, _LEFT_TO_BOTOCORE))
        or config.is_file()
        or not (env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"))
        or not _REGION.fullmatch(region)
        or (bucket is not None and not _BUCKET.fullmatch(bucket))
    ):
        return None
    url = env.get(f"AWS_ENDPOINT_URL_{service.upper()}") or env.get("AWS_ENDPOINT_URL")
    if url is None:
        url = _url_on_aws(service, region, bucket)
    elif not _URL.fullmatch(url) or (bucket is not None and not _host_is_ip_address(url)):
        return None
    elif bucket is not None:
        url = f"{url.rstrip('/')}/{bucket}"
    return Endpoint(service, url.rstrip("/"), region, credentials_from(env))


def _url_on_aws(service: str, region: str, bucket: str | None) -> str:
    name = f"{bucket}.{service}" if bucket is not None else service
    if service == "s3" and region == "us-east-1":  # its global name, which botocore prefers
        return f"https://{name}.amazonaws.com"
    return f"https://{name}.{region}.amazonaws.com"


def _host_is_ip_address(url: str) -> bool:
    """Whether the host is an IP address. If so, botocore puts the bucket into the path."""
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


def credentials_from(env: Mapping[str, str]) -> Callable[[], Credentials]:
    """A function that returns the credentials that are in the variables when it is called."""

    def current() -> Credentials:
        return Credentials(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN")
        )

    return current


def _from_botocore(service: str, bucket: str | None) -> Endpoint:
    """Ask botocore: it prepares a request, which shows the URL and region, but is not sent."""
    from botocore.awsrequest import AWSResponse
    from botocore.session import get_session

    from handlers.shared.clients import client

    requests: list[Any] = []

    def keep(request: Any, **_: Any) -> Any:
        requests.append(request)
        return AWSResponse(request.url, 200, {}, _Body(b"{}" if bucket is None else b""))

    aws_client = client(service)
    events, event = aws_client.meta.events, f"before-send.{service}.*"
    events.register_first(event, keep)
    try:
        if bucket is None:
            aws_client.list_tables()
        else:
            aws_client.head_bucket(Bucket=bucket)
    finally:
        events.unregister(event, keep)
    credentials: Any = get_session().get_credentials()

    def current() -> Credentials:
        frozen = credentials.get_frozen_credentials()  # refreshes them when they expire
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    (request,) = requests
    authorization = request.headers["Authorization"]
    if isinstance(authorization, bytes):
        authorization = authorization.decode()
    scope = authorization.partition("Credential=")[2].partition(",")[0].split("/")
    return Endpoint(service, request.url.rstrip("/"), scope[-3], current)


class _Body:
    """The body of a response that botocore gets instead of a real one."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self._content]


def trusted_certificates() -> str:
    """The file with the certificates that botocore would trust."""
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        return bundle
    for package in ("certifi", "botocore"):
        spec = find_spec(package)  # does not import it
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent / "cacert.pem")
    raise FileNotFoundError("There are no trusted certificates: set AWS_CA_BUNDLE.")
