"""A keep-alive connection to an AWS endpoint that never blocks.

One thread can drive many connections (`batch_writer`) or wait for a single one (`blocking`).
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from handlers.shared.aws_http.endpoint import trusted_certificates

_CHUNK = 256 * 1024  # bytes for each read
_MAX_HEAD = 64 * 1024  # bytes of status line and headers
_MAX_BODY = 4 * 1024 * 1024  # bytes; responses are small here
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")

Body = Iterable[bytes | bytearray]  # in chunks


class BrokenConnectionError(OSError):
    """There is no complete, valid response, and there will be none. Close the connection."""


class Response(NamedTuple):
    """A complete response; names of headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection:
    """A connection to a server, for one request at a time.

    After `send` and whenever the socket is ready, call `advance`; it returns the response when
    that is complete. `wants_write` says whether to wait until the socket can be written to; it can
    always be read. Raises BrokenConnectionError and other OSErrors, of TLS too.
    """

    def __init__(self, sock: socket.socket, host: str, *, tls: bool) -> None:
        """`sock` does not block, and is connected or about to be."""
        self._sock = sock
        self._host = host
        self._tls = tls
        self._connected = False
        self.established = False
        self._outgoing: memoryview = memoryview(b"")
        self._more: Iterator[bytes | bytearray] = iter(())
        self._incoming = bytearray()
        self.wants_write = True
        self.reusable = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self.reusable = False
        self._sock.close()

    def send(self, request: bytes, body: Body = ()) -> None:
        """Begin to send a request; more of its body may follow in chunks."""
        self._outgoing = memoryview(request)
        self._more = iter(body)
        self._incoming.clear()
        self.reusable = False
        self.wants_write = True
        if self.established:
            self._write()

    def advance(self) -> Response | None:
        """Go on as far as possible without waiting."""
        if not self.established:
            try:
                self._establish()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
        if self.wants_write:
            self._write()
        return self._read()

    def is_silent(self) -> bool:
        """Whether an idle connection is open, and nothing was received since the last response."""
        try:
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def _establish(self) -> None:
        if not self._connected:
            if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, f"No connection to {self._host}")
            try:
                self._sock.getpeername()
            except OSError:
                raise BlockingIOError from None  # not yet
            self._connected = True
            if self._tls:
                self._sock = _tls_context(trusted_certificates()).wrap_socket(
                    self._sock, server_hostname=self._host, do_handshake_on_connect=False
                )
        if self._tls:
            assert isinstance(self._sock, ssl.SSLSocket)
            self.wants_write = False
            try:
                self._sock.do_handshake()
            except ssl.SSLWantWriteError:
                self.wants_write = True
                raise
        self.established = True
        self.wants_write = True

    def _write(self) -> None:
        try:
            while True:
                while self._outgoing:
                    self._outgoing = self._outgoing[self._sock.send(self._outgoing) :]
                chunk = next(self._more, None)
                if chunk is None:
                    break
                self._outgoing = memoryview(chunk)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (BrokenPipeError, ConnectionResetError):
            # The server may have refused the request before it had received all of it. What is
            # left unsent shows that the connection cannot be used again.
            self._outgoing = memoryview(b"unsent")
        self.wants_write = False

    def _read(self) -> Response | None:
        while True:
            try:
                data = self._sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return None
            except ssl.SSLWantWriteError:
                self.wants_write = True
                return None
            if not data:
                raise BrokenConnectionError(f"{self._host} closed the connection")
            self._incoming += data
            if (response := self._parse()) is not None:
                return response

    def _parse(self) -> Response | None:
        """The response if it is complete. Its end must be the end of what was received."""
        received = self._incoming
        end = received.find(b"\r\n\r\n")
        if end < 0:
            if len(received) > _MAX_HEAD:
                raise BrokenConnectionError(f"{self._host} sent more than {_MAX_HEAD} header bytes")
            return None
        status, headers = _head(bytes(received[:end]))
        start = end + 4
        if 100 <= status < 200:  # an interim response
            del received[:start]
            return self._parse()
        if b"transfer-encoding" in headers:
            chunked = _unchunked(received, start)
            if chunked is None:
                self._check_size(start)
                return None
            body, end = chunked
        elif b"content-length" in headers:
            length = headers[b"content-length"]
            if not length.isdigit():
                raise BrokenConnectionError(f"{self._host} sent an invalid Content-Length")
            end = start + int(length)
            if len(received) < end:
                self._check_size(start)
                return None
            body = bytes(received[start:end])
        elif status in (204, 304):
            body, end = b"", start
        else:
            raise BrokenConnectionError(f"{self._host} did not say how long its response is")
        if len(received) != end:
            raise BrokenConnectionError(f"{self._host} sent more than it declared")
        unsent = bool(self._outgoing) or self.wants_write
        self.reusable = not unsent and headers.get(b"connection", b"").lower() != b"close"
        return Response(status, headers, body)

    def _check_size(self, start: int) -> None:
        if len(self._incoming) - start > _MAX_BODY:
            raise BrokenConnectionError(f"{self._host} sent more than {_MAX_BODY} bytes")


def open_connection(url: str, attempt: int = 0) -> Connection:
    """A connection to the host of a URL; `attempt` chooses between its addresses."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = addresses[attempt % len(addresses)]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = sock.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, f"No connection to {host}")
    except BaseException:
        sock.close()
        raise
    return Connection(sock, host, tls=tls)


@cache
def _tls_context(certificates: str) -> ssl.SSLContext:
    """One for the process: loading certificates takes 20 ms."""
    return ssl.create_default_context(cafile=certificates)


def _head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    status = rest.partition(b" ")[0]
    if version != b"HTTP/1.1" or not status.isdigit() or len(status) != 3:
        raise BrokenConnectionError("The response is not HTTP/1.1")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or (name in headers and name in (b"content-length", b"transfer-encoding")):
            raise BrokenConnectionError("The response has invalid headers")
        headers[name] = value.strip()
    if b"transfer-encoding" in headers and (
        headers[b"transfer-encoding"].lower() != b"chunked" or b"content-length" in headers
    ):
        raise BrokenConnectionError("The response has an invalid length")
    return int(status), headers


def _unchunked(received: bytearray, position: int) -> tuple[bytes, int] | None:
    """The body of a chunked response and its end, or None if it is incomplete."""
    body = bytearray()
    while True:
        line_end = received.find(b"\r\n", position)
        if line_end < 0:
            return None
        digits = bytes(received[position:line_end]).partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(digits):
            raise BrokenConnectionError("The response has an invalid chunk")
        size = int(digits, 16)
        position = line_end + 2
        if len(received) < position + size + 2:
            return None
        if received[position + size : position + size + 2] != b"\r\n":
            raise BrokenConnectionError("The response has an invalid chunk")
        body += received[position : position + size]
        position += size + 2
        if size == 0:
            return bytes(body), position
