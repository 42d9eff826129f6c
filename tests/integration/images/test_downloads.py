"""A batch: each item has its own outcome, whatever happens to the others."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, cast

import pytest

from handlers.images.downloads import WORKERS_PER_REQUEST, Downloads
from handlers.images.http_client import connections
from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import Limits
from handlers.images.image_store import ImageStore, StoredImage
from handlers.shared.errors import AwsUnavailableError
from tests.support import web
from tests.support.web import Web

from .conftest import LIMITS, fetcher

pytestmark = pytest.mark.usefixtures("brief_silence")

PNG = bytes(range(256)) * 40


class FakeStore:
    """A bucket in memory, which raises the error of each key in `errors`."""

    def __init__(self, **errors: Exception) -> None:
        self.images: dict[str, bytes] = {}
        self.types: dict[str, str | None] = {}
        self.errors = errors
        self.found: dict[str, StoredImage] = {}
        self.unknown: set[str] = set()  # for these, S3 does not respond to `find`
        self.closed = False

    def put(self, key: str, body: IO[bytes] | bytes, *, size: int, **described: Any) -> StoredImage:
        name = key.rpartition("/")[2]
        if name in self.errors:
            raise self.errors[name]
        content = body if isinstance(body, bytes) else body.read()
        assert len(content) == size
        self.images[key] = content
        self.types[key] = described["content_type"]
        return StoredImage(key, size, str(described["content_type"]), "2026-11-21T10:00:00Z")

    def find(self, key: str) -> StoredImage | None:
        if key.rpartition("/")[2] in self.unknown:
            raise AwsUnavailableError
        return self.found.get(key)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def server() -> Iterator[Web]:
    with web.serve({f"/{name}.png": web.file(PNG + name.encode()) for name in "abcdef"}) as web_:
        yield web_


def download(
    server: Web,
    *paths: str,
    store: FakeStore | None = None,
    concurrency: int = 4,
    item_seconds: float = 5,
    seconds: float = 30,
    only_missing: bool = False,
    limits: Limits = LIMITS,
) -> list[dict[str, Any]]:
    downloads = Downloads(
        fetcher(limits=limits),
        cast(ImageStore, store or FakeStore()),
        concurrency=concurrency,
        item_seconds=item_seconds,
        ends_at=time.monotonic() + seconds,
        only_missing=only_missing,
    )
    return downloads.run([path if ":" in path else f"{server.url}/{path}" for path in paths])


def reason(outcome: dict[str, Any]) -> str:
    """Why a download failed; "" if it succeeded."""
    return str(outcome.get("message", "")).partition(":")[0]


def test_all_succeed(server: Web) -> None:
    store = FakeStore()
    outcomes = download(server, "a.png", "b.png", store=store)

    host = f"127.0.0.1:{server.port}"
    assert outcomes == [
        {
            "url": f"http://{host}/{name}.png",
            "statusCode": 200,
            "filename": f"{host}/{name}.png",
            "bytes": len(PNG) + 1,
            "contentType": "image/png",
            "downloadedAt": "2026-11-21T10:00:00Z",
        }
        for name in "ab"
    ]
    assert store.images == {f"{host}/{name}.png": PNG + name.encode() for name in "ab"}
    assert store.closed


def test_one_bad_item_never_fails_the_batch(server: Web) -> None:
    server.routes |= {
        "/hangs": web.in_turn(web.resets, web.resets, web.hangs),
        "/resets": web.resets,
        "/short": web.stops_after(9, b"short"),
        "/huge": web.status(200, b"", Content_Length=100_000_000),
        "/endless": web.endless,
        "/broken": web.status(500),
        "/moved": web.redirect("file:///etc/passwd"),
    }
    bad = {
        "missing": (404, "Could not find"),
        "hangs": (None, "No data for 1 s"),
        "resets": (None, "Incomplete or invalid response"),
        "short": (None, "Incomplete or invalid response"),
        "huge": (200, "Larger than 100,000 bytes"),
        "endless": (200, "Larger than 100,000 bytes"),
        "broken": (500, "HTTP error 500 - Internal Server Error"),
        "moved": (None, "Neither http nor https"),
        "http://does-not-exist.invalid/": (None, "Unknown host does-not-exist.invalid"),
        "http://x:99999/": (None, "Not a valid URL"),
    }
    limits = replace(LIMITS, read_seconds=1)  # the others respond within it
    outcomes = download(server, "a.png", *bad, "b.png", concurrency=20, limits=limits)

    assert [outcomes[0]["statusCode"], outcomes[-1]["statusCode"]] == [200, 200]
    for outcome, (path, (status, reason)) in zip(outcomes[1:-1], bad.items(), strict=True):
        url = path if ":" in path else f"{server.url}/{path}"
        assert outcome == {"url": url, "statusCode": status, "message": f"{reason}: {url}"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DownloadError("Could not be stored, S3 returned SlowDown"), "S3 returned SlowDown: http"),
        (MemoryError(), "Unexpected MemoryError: http"),
    ],
    ids=["S3", "a bug"],
)
def test_a_store_that_fails_fails_only_that_item(
    server: Web, error: Exception, message: str
) -> None:
    store = FakeStore(**{"b.png": error})
    outcomes = download(server, "a.png", "b.png", "c.png", store=store)

    assert ["filename" in outcome for outcome in outcomes] == [True, False, True]
    assert message in outcomes[1]["message"]


def test_a_large_image_goes_through_a_file(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store gets a file for images above the memory limit, and bytes for smaller ones."""
    body_types: dict[int, type] = {}  # by size: workers take turns, in any order
    put = FakeStore.put

    def recorded(
        store: FakeStore, key: str, body: IO[bytes] | bytes, **options: Any
    ) -> StoredImage:
        stored = put(store, key, body, **options)
        body_types[len(store.images[key])] = type(body)
        return stored

    monkeypatch.setattr(FakeStore, "put", recorded)
    monkeypatch.setattr("handlers.images.downloads._MAX_IN_MEMORY", 50_000)
    server.routes["/large"] = web.file(bytes(99_999))
    store = FakeStore()
    download(server, "a.png", "large", store=store, concurrency=1)

    assert len(store.images[f"127.0.0.1:{server.port}/large"]) == 99_999
    assert body_types.pop(99_999) is not bytes
    assert [*body_types.values()] == [bytes]


def test_at_most_the_requested_number_of_requests_is_open(server: Web) -> None:
    open_requests, highest, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def route(request: web.Request) -> None:
        nonlocal open_requests, highest
        with lock:
            open_requests += 1
            highest = max(highest, open_requests)
        together.wait(5)
        with lock:
            open_requests -= 1
        request.respond(200, b"x")

    server.routes |= {f"/{number}": route for number in range(9)}
    download(server, *map(str, range(9)), concurrency=3)

    assert highest == 3
    assert len(server.clients) <= WORKERS_PER_REQUEST * 3


def test_waiting_for_silence_does_not_delay_other_downloads(
    server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the requests come one after the other: as many downloads as there are workers wait."""
    monkeypatch.setattr(connections, "QUIET_SECONDS", 5)
    waiting = threading.Barrier(WORKERS_PER_REQUEST)

    def route(request: web.Request) -> None:
        request.respond(200, b"x")
        waiting.wait(5)
        request.close_connection = True  # no more bytes can follow: ends the client's wait

    server.routes |= {f"/{number}": route for number in range(30)}
    started = time.monotonic()
    outcomes = download(server, *map(str, range(30)), concurrency=1)

    assert all("filename" in outcome for outcome in outcomes)
    assert time.monotonic() - started < 5


def test_a_redirect_and_a_retry_wait_for_a_slot_again(server: Web) -> None:
    """A download releases its slot at the end of a response and needs one for its next request."""
    open_requests, highest, lock = 0, 0, threading.Lock()

    def slowly(then: web.Route) -> web.Route:
        def route(request: web.Request) -> None:
            nonlocal open_requests, highest
            with lock:
                open_requests += 1
                highest = max(highest, open_requests)
            time.sleep(0.02)
            with lock:
                open_requests -= 1
            then(request)

        return route

    server.routes["/file"] = slowly(web.file(b"x"))
    for number in range(4):
        server.routes[f"/moved{number}"] = slowly(web.redirect("/file"))
        server.routes[f"/busy{number}"] = slowly(web.in_turn(web.status(503), web.file(b"x")))
    paths = [f"{kind}{number}" for number in range(4) for kind in ("moved", "busy")]
    outcomes = download(server, *paths, concurrency=2)

    assert all("filename" in outcome for outcome in outcomes)
    assert highest == 2


def test_a_download_out_of_time_fails_and_the_others_are_kept(server: Web) -> None:
    server.routes["/drips"] = web.drips
    started = time.monotonic()
    outcomes = download(server, "a.png", "drips", concurrency=2, item_seconds=60, seconds=0.5)

    assert time.monotonic() - started < 3
    assert [reason(outcome) for outcome in outcomes] == ["", "Out of time"]


def test_a_download_that_gets_no_turn_in_time_fails(server: Web) -> None:
    for path in ("/drips", "/drips-too"):
        server.routes[path] = web.drips
    outcomes = download(server, "drips", "drips-too", concurrency=1, item_seconds=60, seconds=0.3)

    assert [reason(outcome) for outcome in outcomes] == ["Out of time", "Out of time"]
    assert len(server.requests) == 1


def test_one_slow_item_does_not_take_the_time_of_the_others(server: Web) -> None:
    server.routes["/drips"] = web.drips
    outcomes = download(server, "drips", "a.png", "b.png", concurrency=1, item_seconds=0.5)

    assert ["filename" in outcome for outcome in outcomes] == [False, True, True]


def test_a_retry_downloads_only_what_is_missing(server: Web) -> None:
    store = FakeStore()
    done = StoredImage(f"127.0.0.1:{server.port}/a.png", 3, "image/png", "2026-11-21T09:00:00Z")
    store.found[done.key] = done
    outcomes = download(server, "a.png", "b.png", store=store, only_missing=True)

    assert server.requests == {"/b.png": 1}
    assert outcomes[0]["downloadedAt"] == "2026-11-21T09:00:00Z"
    assert outcomes[0]["bytes"] == 3
    assert outcomes[1]["bytes"] == len(PNG) + 1


def test_a_retry_downloads_an_image_again_if_s3_does_not_say_that_it_has_it(server: Web) -> None:
    store = FakeStore()
    store.unknown = {"a.png"}

    (outcome,) = download(server, "a.png", store=store, only_missing=True)

    assert outcome["statusCode"] == 200
    assert server.requests == {"/a.png": 1}
    assert store.images == {outcome["filename"]: PNG + b"a"}


def test_a_first_attempt_does_not_look_for_stored_images(server: Web) -> None:
    store = FakeStore()
    store.found[f"127.0.0.1:{server.port}/a.png"] = StoredImage("old", 3, "x", "y")

    assert download(server, "a.png", store=store)[0]["bytes"] == len(PNG) + 1
