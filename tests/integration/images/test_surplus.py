"""Servers that send more than they declared: the file fails, and no other file gets the surplus."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from handlers.images.downloads import Downloads
from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import Fetcher
from handlers.images.http_client.time_limit import Watchdog
from handlers.images.image_store import ImageStore
from tests.support import web
from tests.support.web import Request, Route, Web

from .conftest import fetcher
from .test_downloads import FakeStore

AAA = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAAA"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
SURPLUS_ERROR = "Sent more than it declared"


@pytest.fixture(params=["http", "https"])
def world(request: pytest.FixtureRequest, certificate: Path) -> Iterator["World"]:
    """A server with the files /b and /last, over both protocols, and a client that trusts it."""
    tls = request.param == "https"
    routes = {"/b": web.file(b"b itself"), "/last": closing(web.file(b"last itself"))}
    with web.serve(routes, certificate if tls else None) as server:
        one = fetcher(lambda *_: ["127.0.0.1"], trusted=str(certificate))
        yield World(server, one, f"{request.param}://images.example:{server.port}")
        one.close()


def closing(route: Route) -> Route:
    """The same, and closes the connection: the client need not wait whether more bytes follow."""

    def closes(request: Request) -> None:
        route(request)
        request.close_connection = True

    return closes


class World:
    def __init__(self, server: Web, client: Fetcher, url: str) -> None:
        self.server, self.client, self.url = server, client, url

    def get(self, path: str) -> bytes:
        sink = io.BytesIO()
        with Watchdog() as watchdog, watchdog.limit(time.monotonic() + 5) as limit:
            self.client.fetch(self.url + path, sink, limit)
        return sink.getvalue()

    def download_error(self, path: str) -> str:
        with pytest.raises(DownloadError) as caught:
            self.get(path)
        return caught.value.reason


def sends(*parts: bytes, pause: float = 0.0) -> Route:
    """Sends these bytes as they are, with pauses between them, and then waits for a request."""

    def route(request: Request) -> None:
        for number, part in enumerate(parts):
            time.sleep(pause if number else 0)
            request.wfile.write(part)

    return route


SURPLUS: dict[str, Route] = {
    "in the same packet": sends(AAA + b"BBB"),
    "a whole response in the same packet": sends(AAA + EVIL),
    "a moment later": sends(AAA, b"B", pause=0.005),
    "a whole response 50 ms later": sends(AAA, EVIL, pause=0.05),
    "after an empty file": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + EVIL),
    "after chunks": sends(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nAAA\r\n0\r\n\r\n", EVIL
    ),
    "on a connection that is closed": sends(
        AAA.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"BBB"
    ),
    "of HTTP/1.0": sends(AAA.replace(b"1.1", b"1.0") + b"BBB"),
}


@pytest.mark.parametrize("route", SURPLUS.values(), ids=SURPLUS)
def test_surplus_fails_the_file_and_never_becomes_the_next_one(world: World, route: Route) -> None:
    world.server.routes["/a"] = route

    assert world.download_error("/a") == SURPLUS_ERROR
    assert world.get("/last") == b"last itself"
    assert len(world.server.clients) == 2
    assert world.server.requests["/a"] == 1  # a retry cannot tell which length is right


def test_the_connection_is_closed_at_once(world: World) -> None:
    closed = threading.Event()

    def route(request: Request) -> None:
        request.wfile.write(AAA + EVIL)
        request.connection.settimeout(5)
        if request.rfile.read(1) == b"":
            closed.set()
        request.close_connection = True

    world.server.routes["/a"] = route
    world.download_error("/a")

    assert closed.wait(5)


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Busy", b"302 Found\r\nLocation: /b"])
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "later"])
def test_surplus_of_an_error_or_a_redirect_is_not_the_next_file(
    world: World, status: bytes, pause: float
) -> None:
    response = AAA.replace(b"200 OK", status)
    world.server.routes["/a"] = web.in_turn(sends(response, EVIL, pause=pause), web.status(404))

    assert world.download_error("/a") in ("Could not find", SURPLUS_ERROR)
    assert world.get("/last") == b"last itself"


def test_surplus_after_the_file_was_accepted_closes_the_connection(world: World) -> None:
    """Too late to fail the file, which is stored by then; but nothing else is made of it."""
    go_on, sent = threading.Event(), threading.Event()

    def route(request: Request) -> None:
        request.wfile.write(AAA)
        go_on.wait(5)
        request.wfile.write(EVIL)
        sent.set()

    world.server.routes["/a"] = route

    assert world.get("/a") == b"AAA"
    go_on.set()
    assert sent.wait(5)
    assert world.get("/last") == b"last itself"
    assert len(world.server.clients) == 2


def test_an_extra_response_fails_the_file_of_the_next_request(world: World) -> None:
    """It looks like the response to that request, and the real response then is surplus."""
    world.server.routes["/c"] = web.file(b"c")
    world.server.routes["/b"] = sends(EVIL, AAA)

    assert world.get("/c") == b"c"
    assert world.download_error("/b") == SURPLUS_ERROR


def test_a_correct_response_keeps_the_connection(world: World) -> None:
    """Over TLS too, where a server sends records of its own, such as session tickets."""
    world.server.routes["/x"] = web.status(404, b"no")
    for _ in range(2):
        assert world.get("/b") == b"b itself"
        assert world.download_error("/x") == "Could not find"

    assert len(world.server.clients) == 1


@contextmanager
def batch(server: Web) -> Iterator[tuple[FakeStore, Callable[..., list[dict[str, Any]]]]]:
    store = FakeStore()

    def run(*paths: str) -> list[dict[str, Any]]:
        downloads = Downloads(
            fetcher(),
            cast(ImageStore, store),
            concurrency=1,
            item_seconds=5,
            ends_at=time.monotonic() + 30,
        )
        return downloads.run([f"{server.url}/{path}" for path in paths])

    yield store, run


def test_a_batch_stores_no_surplus() -> None:
    routes = {"/a": SURPLUS["a whole response 50 ms later"], "/b": web.file(b"b itself")}
    with web.serve(routes) as server, batch(server) as (store, run):
        a, b = run("a", "b")

    assert a == {
        "url": f"{server.url}/a",
        "statusCode": 200,
        "message": f"{SURPLUS_ERROR}: {server.url}/a",
    }
    assert b["bytes"] == len(b"b itself")
    assert store.images == {f"127.0.0.1:{server.port}/b": b"b itself"}
