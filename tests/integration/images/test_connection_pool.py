"""Requests to AWS over real sockets: certificates are verified, connections kept or replaced."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ingest.certificate import write_certificate
from handlers.shared.aws_http import blocking
from handlers.shared.aws_http.blocking import ConnectionPool
from handlers.shared.aws_http.connection import Response
from tests.support import web
from tests.support.web import Request, Web

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@pytest.fixture
def of_this_machine(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1."""
    write_certificate(tmp_path / "own.pem")
    return tmp_path / "own.pem"


@pytest.fixture
def plain() -> Iterator[Web]:
    with web.serve({"/a": web.status(200, b"OK")}) as server:
        yield server


def put(pool: ConnectionPool) -> Response:
    head = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
    return pool.finish(pool.begin(lambda: head, lambda: [b"co", b"nte"]))


def test_a_trusted_server_is_used_and_its_connection_kept(
    monkeypatch: pytest.MonkeyPatch, of_this_machine: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(of_this_machine))
    with web.serve({"/a": web.status(200, b"OK")}, of_this_machine) as server:
        pool = ConnectionPool(f"https://127.0.0.1:{server.port}")
        responses = [put(pool) for _ in range(3)]
        pool.close()

    assert [(one.status, one.body) for one in responses] == [(200, b"OK")] * 3
    assert [one.body for one in server.puts] == [b"conte"] * 3
    assert len(server.clients) == 1


def test_a_server_that_nobody_trusts_gets_no_request(of_this_machine: Path) -> None:
    with (
        web.serve({"/a": web.status(200)}, of_this_machine) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        put(ConnectionPool(f"https://127.0.0.1:{server.port}"))
    assert server.puts == []


def test_a_trusted_certificate_of_another_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))  # of images.example
    with (
        web.serve({"/a": web.status(200)}, certificate) as server,
        pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"),
    ):
        put(ConnectionPool(f"https://127.0.0.1:{server.port}"))
    assert server.puts == []


def test_surplus_is_an_error_and_closes_the_connection(plain: Web) -> None:
    def surplus(request: Request) -> None:
        request.wfile.write(OK + OK)

    plain.routes["/a"] = web.in_turn(surplus, web.status(200, b"OK"))
    pool = ConnectionPool(plain.url)
    with pytest.raises(OSError, match="more than it declared"):
        put(pool)
    assert put(pool).status == 200
    assert len(plain.clients) == 2


def test_a_closed_connection_is_replaced_before_a_request(plain: Web) -> None:
    def close(request: Request) -> None:
        request.respond(200, b"OK")
        request.close_connection = True

    plain.routes["/a"] = close
    pool = ConnectionPool(plain.url)
    for _ in range(3):
        assert put(pool).status == 200
        wait_until_closed(pool)
    assert len(plain.clients) == 3


def wait_until_closed(pool: ConnectionPool) -> None:
    """The server closes a connection only after its response has arrived."""
    (connection,) = pool._idle
    for _ in range(500):
        if not connection.is_silent():
            return
        time.sleep(0.01)
    raise AssertionError("The server did not close the connection.")


def test_a_server_that_does_not_respond_is_an_error(
    plain: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "READ_SECONDS", 0.2)
    plain.routes["/a"] = lambda request: request.connection.settimeout(1)
    with pytest.raises(OSError, match=r"No data for 0\.2 s"):
        put(ConnectionPool(plain.url))


def test_no_connection_is_an_error() -> None:
    with pytest.raises(OSError, match=r"No connection|refused"):
        put(ConnectionPool("http://127.0.0.1:1"))
