"""A connection returns complete, valid responses only."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.shared.aws_http.connection import BrokenConnectionError, Connection, Response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}"
ABC = b"abc0123456789"
CHUNKED = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """The other end of a connection."""

    def __init__(self) -> None:
        own, self.sock = socket.socketpair()
        own.setblocking(False)
        self.connection = Connection(own, "a host", tls=False)

    def respond(self, *parts: bytes) -> Response | None:
        """The response that the client sees in these parts, the last of them included."""
        self.connection.send(b"request")
        for part in parts:
            assert self.connection.advance() is None
            self.sock.sendall(part)
        return self.connection.advance()


def wait_for_response(connection: Connection) -> Response:
    while (response := connection.advance()) is None:
        select.select([connection], [connection] if connection.wants_write else [], [], 5)
    return response


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.connection.close()
    one.sock.close()


@pytest.mark.parametrize(
    ("sent", "response"),
    [
        (OK, Response(200, {b"content-length": b"2", b"x-a": b"b"}, b"{}")),
        (b"HTTP/1.1 204 \r\n\r\n", Response(204, {}, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Response(200, {}, b"{}")),
        (CHUNKED + b"3\r\nabc\r\na;b\r\n0123456789\r\n0\r\n\r\n", Response(403, {}, ABC)),
        (CHUNKED + b"0\r\n\r\n", Response(403, {}, b"")),
    ],
    ids=["length", "no content", "interim response", "chunks", "no chunks"],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_response_is_complete(server: Server, sent: bytes, response: Response, size: int) -> None:
    parts = [sent[start : start + size] for start in range(0, len(sent), size)]

    received = server.respond(*parts)

    assert received is not None
    assert (received.status, received.body) == (response.status, response.body)
    assert received.headers.items() >= response.headers.items()
    assert server.connection.reusable
    assert server.connection.is_silent()


@pytest.mark.parametrize(
    "sent",
    [
        OK + b"x",
        OK + OK,
        CHUNKED + b"0\r\n\r\nx",
        b"HTTP/1.1 204 No\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"nonsense\r\n\r\n",
        b"x" * 70_000,
        CHUNKED + b"-1\r\n",
        CHUNKED + b"+1\r\nx\r\n",
        CHUNKED + b"1\r\nxyz",
        CHUNKED + b"FFFFFFFFF\r\n",
    ],
    ids=lambda sent: repr(sent[15:60]),
)
def test_an_invalid_response_breaks_the_connection(server: Server, sent: bytes) -> None:
    with pytest.raises(BrokenConnectionError):
        server.respond(sent)
    assert not server.connection.reusable


@pytest.mark.parametrize("sent", [b"", OK[:10], OK[:-1], CHUNKED + b"3\r\nab"])
def test_a_response_that_ends_early_is_none(server: Server, sent: bytes) -> None:
    assert server.respond(sent) is None
    server.sock.close()
    with pytest.raises(OSError, match=r"closed the connection|reset"):
        server.connection.advance()


def test_an_endless_body_breaks_the_connection(server: Server) -> None:
    server.connection.send(b"request")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"

    def send() -> None:
        with suppress(OSError):
            server.sock.sendall(head + b"x" * 6_000_000)

    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(BrokenConnectionError, match="more than"):
        wait_for_response(server.connection)


@pytest.mark.parametrize("header", [b"close", b"Close"])
def test_a_connection_that_will_be_closed_is_not_reused(server: Server, header: bytes) -> None:
    assert server.respond(OK.replace(b"X-A: b", b"Connection: " + header))
    assert not server.connection.reusable


def test_bytes_after_the_response_are_noticed(server: Server) -> None:
    assert server.respond(OK)
    assert server.connection.is_silent()
    server.sock.sendall(b"x")
    assert not server.connection.is_silent()


def test_a_closed_connection_is_noticed(server: Server) -> None:
    assert server.respond(OK)
    server.sock.close()
    assert not server.connection.is_silent()


def test_a_long_body_is_sent_in_parts_while_the_server_reads(server: Server) -> None:
    # Given a body that no buffer holds
    chunks = [bytes([number]) * 300_000 for number in range(10)]
    received = bytearray()

    def read() -> None:
        while len(received) < 3_000_004:
            received.extend(server.sock.recv(65536))
        server.sock.sendall(OK)

    reader = threading.Thread(target=read, daemon=True)

    # When it is sent, then it waits for the server to read
    server.connection.send(b"HEAD", iter(chunks))
    assert server.connection.advance() is None
    assert server.connection.wants_write
    reader.start()
    assert wait_for_response(server.connection).status == 200
    assert received == b"HEAD" + b"".join(chunks)
    assert server.connection.reusable


def test_an_early_refusal_is_returned_but_ends_the_connection(server: Server) -> None:
    # Given a server that refuses a request before it has received all of it
    server.sock.sendall(OK.replace(b"200", b"403"))
    server.connection.send(b"HEAD", iter([b"x" * 10_000_000]))

    response = server.connection.advance()

    assert response is not None
    assert response.status == 403
    assert not server.connection.reusable


def test_a_refusal_before_the_connection_is_closed_is_returned(server: Server) -> None:
    # Given a server that has refused a request and reads no more
    server.connection.send(b"HEAD")
    assert server.connection.advance() is None
    server.sock.sendall(OK.replace(b"200", b"403"))
    server.sock.shutdown(socket.SHUT_RD)

    # When the client goes on writing, then it cannot, but it has the response
    server.connection.send(b"x" * 10)
    response = server.connection.advance()
    assert response is not None
    assert response.status == 403
    assert not server.connection.reusable


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_a_response_or_an_error(sent: bytes, size: int) -> None:
    server = Server()
    try:
        server.connection.send(b"request")
        for start in range(0, len(sent), size):
            server.sock.sendall(sent[start : start + size])
            server.connection.advance()
    except BrokenConnectionError:
        pass
    finally:
        server.connection.close()
        server.sock.close()
