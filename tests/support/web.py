"""A web server on this machine that behaves well, badly, or otherwise, as a test needs it."""

import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Route = Callable[["Request"], None]
_DRIP_SECONDS = 0.05


class Request(BaseHTTPRequestHandler):
    """One request, and the means to respond to it."""

    protocol_version = "HTTP/1.1"
    web: "Web"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.web.lock:
            self.web.requests[self.path] += 1
            self.web.headers[self.path] = dict(self.headers.items())
            self.web.clients.add(self.client_address)
        route = self.web.routes.get(self.path) or self.web.routes.get(path) or status(404)
        try:
            route(self)
        except OSError:  # the client has gone
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.web.lock:
            self.web.puts.append(Put(self.path, dict(self.headers.items()), body))
        self.do_GET()

    def respond(self, code: int, body: bytes = b"", **headers: Any) -> None:
        """Respond with a status, a body and headers; `Content_Type` is sent as Content-Type."""
        self.send_response(code)
        for name, value in {"Content_Length": len(body), **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        pass


@dataclass(frozen=True)
class Put:
    """A PUT request that the server received."""

    path: str
    headers: dict[str, str]
    body: bytes


class Web:
    """The server: its route for each path, and the requests that it received."""

    def __init__(self, routes: dict[str, Route], port: int) -> None:
        self.routes = routes
        self.port = port
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()  # by path
        self.headers: dict[str, dict[str, str]] = {}  # of the last request for a path
        self.puts: list[Put] = []
        self.clients: set[Any] = set()  # one for each connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(routes: dict[str, Route], certificate: Path | None = None) -> Iterator[Web]:
    """A server for the time of `with`; what it has no route for is not found.

    With a certificate (and its key, in one file) it speaks TLS.
    """

    class Handler(Request):
        pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        block_on_close = False  # some responses hang on purpose

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    Handler.web = web = Web(routes, server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


def file(body: bytes, content_type: str = "image/png") -> Route:
    return lambda request: request.respond(200, body, Content_Type=content_type)


def status(code: int, body: bytes = b"", **headers: Any) -> Route:
    return lambda request: request.respond(code, body, **headers)


def redirect(location: str, code: int = 302) -> Route:
    return status(code, Location=location)


def in_turn(*routes: Route) -> Route:
    """The first request goes to the first route, and so on; the last one gets all that follow."""
    remaining = list(routes)
    lock = threading.Lock()

    def route(request: Request) -> None:
        with lock:
            current = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        current(request)

    return route


def hangs(request: Request) -> None:
    """Accepts the request and sends nothing, until the client goes away."""
    request.connection.settimeout(60)
    request.connection.recv(1)
    request.close_connection = True


def resets(request: Request) -> None:
    """Breaks the connection (TCP RST) instead of responding."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The file objects hold the socket open otherwise.
    request.rfile.close()
    request.connection.close()
    request.close_connection = True


def stops_after(declared: int, body: bytes) -> Route:
    """Declares more bytes than it sends."""

    def route(request: Request) -> None:
        request.respond(200, body, Content_Length=declared, Content_Type="image/png")
        request.close_connection = True

    return route


def drips(request: Request) -> None:
    """A byte now and then, for ever: never so late that a read would time out."""
    request.respond(200, b"", Content_Length=2000, Content_Type="image/png")
    _drip(request)


def drips_without_length(request: Request) -> None:
    """The same, and only the end of the connection would be the end of the body."""
    request.respond(200, b"", Content_Length=None, Connection="close")
    _drip(request)


def drips_headers(code: int) -> Route:
    """The same, before the body has even begun."""

    def route(request: Request) -> None:
        request.wfile.write(f"HTTP/1.1 {code} Status\r\nX-Slow: ".encode())
        _drip(request)

    return route


def _drip(request: Request) -> None:
    while True:
        request.wfile.write(b".")
        time.sleep(_DRIP_SECONDS)


def endless(request: Request) -> None:
    """A body without a declared length that does not end."""
    request.respond(200, b"", Content_Length=None, Connection="close")
    write_for_ever(request)


def write_for_ever(request: Request) -> None:
    request.close_connection = True
    block = bytes(64 * 1024)
    while True:
        request.wfile.write(block)
