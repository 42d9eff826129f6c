"""Connections go only to public hosts, and only to the address that was checked."""

import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.images.http_client.connections import Resolver, resolve_any, resolve_public
from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import Limits
from handlers.images.http_client.time_limit import Watchdog
from tests.integration.images.conftest import LIMITS, SHORT_LIMITS, fetcher
from tests.support import web
from tests.support.web import Web

pytestmark = pytest.mark.usefixtures("brief_silence")


@pytest.fixture
def server() -> Iterator[Web]:
    with web.serve({"/x": web.file(b"secret")}) as running:
        yield running


def fetched(url: str, resolve: Resolver, limits: Limits = LIMITS) -> bytes:
    sink = io.BytesIO()
    with Watchdog() as watchdog, watchdog.limit(time.monotonic() + 5) as limit:
        fetcher(resolve, limits=limits).fetch(url, sink, limit)
    return sink.getvalue()


class Dns:
    """A name server: each lookup of a name gets the next of its responses."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): responses for name, responses in names.items()}
        self.lookups: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.lookups.append(host)
        responses = self.names[host]
        return [responses.pop(0) if len(responses) > 1 else responses[0]]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "0.0.0.0"],
)
def test_this_machine_is_refused_however_it_is_written(server: Web, host: str) -> None:
    with pytest.raises(DownloadError, match="is not a public host"):
        fetched(f"http://{host}:{server.port}/x", resolve_public)
    assert not server.requests


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.0.1", "169.254.169.254", "[fd00:ec2::254]"]
)
def test_private_and_metadata_addresses_are_refused(address: str) -> None:
    with pytest.raises(DownloadError, match="Not allowed"):
        fetched(f"http://{address}/latest/meta-data/", resolve_public)


def test_a_name_that_resolves_to_this_machine_is_refused(server: Web) -> None:
    dns = Dns(images_example=["127.0.0.1"])

    with pytest.raises(DownloadError) as caught:
        fetched(
            f"http://images.example:{server.port}/x",
            lambda host, port: resolve_public(host, port, dns),
        )
    assert caught.value.reason == "Not allowed, images.example is not a public host (127.0.0.1)"
    assert not caught.value.transient
    assert not server.requests


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(DownloadError, match=r"10\.0\.0\.1"):
        resolve_public("images.example", 80, lambda *_: ["8.8.8.8", "10.0.0.1"])


def test_a_redirect_to_a_private_address_is_refused(server: Web) -> None:
    """The first host counts as public here, the one it leads to does not."""

    def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "public.example" else resolve_public(host, port)

    server.routes["/away"] = web.redirect(f"http://127.0.0.1:{server.port}/x")

    with pytest.raises(DownloadError, match=r"127\.0\.0\.1 is not a public host"):
        fetched(f"http://public.example:{server.port}/away", resolve)
    assert server.requests == {"/away": 1}


def test_a_name_is_resolved_once_and_the_checked_address_is_used(
    server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name is not resolved again between the check and the connection."""
    looked_up = []
    lookup = socket.getaddrinfo

    def recorded(host: Any, *args: Any, **options: Any) -> Any:
        looked_up.append(host)
        return lookup(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", recorded)
    dns = Dns(images_example=["127.0.0.1"])

    assert fetched(f"http://images.example:{server.port}/x", dns) == b"secret"
    assert dns.lookups == ["images.example"]
    assert looked_up == ["127.0.0.1"]


def test_a_second_connection_is_checked_again(server: Web) -> None:
    dns = Dns(rebinding_example=["127.0.0.1", "10.0.0.1"])
    public = iter([dns("rebinding.example", 80)])

    def resolve(host: str, port: int) -> list[str]:
        return next(public, None) or resolve_public(host, port, dns)

    server.routes["/first"] = web.resets

    with pytest.raises(DownloadError, match=r"Not allowed, rebinding\.example"):
        fetched(f"http://rebinding.example:{server.port}/first", resolve)
    assert server.requests == {"/first": 1}


def test_the_host_header_has_the_name(server: Web) -> None:
    fetched(f"http://images.example:{server.port}/x", Dns(images_example=["127.0.0.1"]))

    assert server.headers["/x"]["Host"] == f"images.example:{server.port}"


def test_unreachable_addresses_are_skipped(server: Web) -> None:
    addresses = ["127.0.0.2", "127.0.0.1"]  # no server listens at the first
    assert fetched(f"http://x.example:{server.port}/x", lambda *_: addresses) == b"secret"


def test_an_unknown_host_is_not_retried() -> None:
    with pytest.raises(DownloadError) as caught:
        resolve_any("does-not-exist.invalid", 80)
    assert caught.value.reason == "Unknown host does-not-exist.invalid"


def test_an_invalid_host_name_is_unknown() -> None:
    with pytest.raises(DownloadError, match="Unknown host"):
        resolve_any("x" * 70 + ".example", 80)


# -- TLS -------------------------------------------------------------------------------------


def fetched_over_tls(
    host: str, certificate: Path, trusted: bool, path: str = "/x", seconds: float = 5
) -> bytes:
    """The body that this machine sends under that host name."""
    one = fetcher(lambda *_: ["127.0.0.1"], trusted=str(certificate) if trusted else True)
    sink = io.BytesIO()
    with (
        web.serve({"/x": web.file(b"over TLS"), "/drips": web.drips}, certificate) as server,
        Watchdog() as watchdog,
        watchdog.limit(time.monotonic() + seconds) as limit,
    ):
        one.fetch(f"https://{host}:{server.port}{path}", sink, limit)
    return sink.getvalue()


def test_tls_is_checked_against_the_name_not_the_address(certificate: Path) -> None:
    assert fetched_over_tls("images.example", certificate, trusted=True) == b"over TLS"


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("other.example", True), ("127.0.0.1", True), ("images.example", False)],
    ids=["another name", "the address", "self-signed"],
)
def test_an_untrusted_certificate_is_not_retried(
    certificate: Path, host: str, trusted: bool
) -> None:
    with pytest.raises(DownloadError) as caught:
        fetched_over_tls(host, certificate, trusted)
    assert caught.value.reason == "No trusted TLS connection"
    assert not caught.value.transient


def test_the_time_limit_holds_over_tls(certificate: Path) -> None:
    with pytest.raises(DownloadError, match="Out of time"):
        fetched_over_tls("images.example", certificate, trusted=True, path="/drips", seconds=0.4)


def test_a_tls_handshake_that_hangs_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(DownloadError):
            fetched(f"https://127.0.0.1:{silent.getsockname()[1]}/x", resolve_any, SHORT_LIMITS)
    assert time.monotonic() - started < 4
