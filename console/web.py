"""The console's web server: routes, security headers, static files.

Each page's module has a function `routes` that is listed in `pages`. Its functions are ordinary
ones that take the console and the request and return JSON. They run in threads, because boto3
waits for AWS.
"""

import asyncio
import gzip
import json
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.aws import RETRYING, ConsoleError
from console.core import Console
from console.links import Link
from console.polling import Poller
from console.runs import Run

PAGE = Path(__file__).parent / "page"
PACKAGES = Path(__file__).parent.parent / "node_modules"
# Libraries of the page: name below lib/ → file of the npm package.
LIBRARIES = {
    "preact.js": "preact/dist/preact.mjs",
    "hooks.js": "preact/hooks/dist/hooks.mjs",
    "htm.js": "htm/dist/htm.mjs",
    "dagre.js": "@dagrejs/dagre/dist/dagre.esm.js",
}
# A browser does not resolve the names of packages without an import map, and an import map would
# have to be inline.
_IMPORTS = {b'from"preact"': b'from"./preact.js"'}
_STATIC = re.compile(r"[a-z][a-z0-9-]*\.(js|css|svg|png|woff2)")
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
TOKEN_HEADER = "x-console-token"
MOST_BODY = 1_048_576  # bytes of a request
PATIENCE = 0.15  # seconds that a page waits for an answer; then it asks again
MOST_ANSWERS = 100  # that were not there in time, kept for whoever asks again
ABANDONED = 5.0  # seconds after which an answer that nobody has fetched is too old
LEAST_ZIPPED = 1_000  # bytes of an answer
ZIPPED = 4  # level: higher ones take longer than they save on this machine's own network

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; frame-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

Endpoint = Callable[[Console, Request], Any]
# What another page knows of a run, such as its mails: rows of the timeline.
Contribution = Callable[[Console, Run], list[dict[str, Any]]]
# What another page knows a run to have left behind, such as its mails.
Remains = Callable[[Console, Run], list[Link]]


class Server:
    """Turns the functions of the pages into routes, and knows who may do what."""

    def __init__(self, console: Console, base: str) -> None:
        self.console = console
        self.base = base
        self.token = secrets.token_urlsafe(32)
        self.contributions: dict[str, Contribution] = {}  # by what they read
        self.remains: dict[str, Remains] = {}
        self.executor = ThreadPoolExecutor(8, thread_name_prefix="console")
        self.background = ThreadPoolExecutor(4, thread_name_prefix="console-background")
        self.poller = Poller(lambda: console.runs, console.redaction.clean)
        # Answers under way, or not fetched yet, with the time.monotonic() of the last request.
        self._answers: dict[str, tuple[Future[Response], float]] = {}  # by address
        self._prepared = False
        console.on_change = lambda: self.poller.tell("resync", {})

    def prepare(self) -> None:
        """Read in the background what pages need first."""
        if not self._prepared:
            self._prepared = True
            self.background.submit(self.console.prepare)

    def metrics_changed(self) -> None:
        """Pages that show metrics fetch them again."""
        self.poller.tell("metrics", {})

    # -- Routes -----------------------------------------------------------------------------------

    def get(self, path: str, endpoint: Endpoint) -> Route:
        """A route that reads. The function's result is sent as JSON, without secrets.

        From a result that is a response, the function removes secrets itself.
        """

        async def answer(request: Request) -> Response:
            self.prepare()
            if prefers_soon(request):
                return await self._soon(endpoint, request)
            return await asyncio.wrap_future(self._begin(endpoint, request))

        return Route(f"/{path}", answer, methods=["GET"])

    def post(self, path: str, endpoint: Endpoint) -> Route:
        """A route that changes something: for pages of this server, if writing is allowed.

        The function finds the request's JSON in `request.state.body`.
        """

        async def answer(request: Request) -> Response:
            if not self.console.writable:
                return failure(
                    403,
                    "This console only reads.",
                    "Start it with --allow-writes to change things.",
                )
            given = request.headers.get(TOKEN_HEADER, "")
            if not secrets.compare_digest(given.encode(), self.token.encode()):
                return failure(
                    403, "The request does not come from this console's page.", "Reload the page."
                )
            body = await _body(request)
            if isinstance(body, Response):
                return body
            request.state.body = body
            return await asyncio.wrap_future(self._begin(endpoint, request))

        return Route(f"/{path}", answer, methods=["POST"])

    def _begin(self, endpoint: Endpoint, request: Request) -> Future[Response]:
        """Let a thread work out the answer."""
        return self.executor.submit(self.respond, endpoint, request)

    def respond(self, endpoint: Endpoint, request: Request) -> Response:
        """The response of a route's function, or what its error says."""
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        try:
            result = endpoint(self.console, request)
            if isinstance(result, Response):
                return result
            return answered(self.console.redaction.clean(result), zipped)
        except ConsoleError as error:
            action = error.action
            if action == RETRYING and request.method == "POST":
                action = "Nothing was changed. Try again."
            return failure(
                error.status,
                self.console.redaction.text(error.message),
                self.console.redaction.text(action) if action else None,
            )

    async def _soon(self, endpoint: Endpoint, request: Request) -> Response:
        """The answer if it takes no longer than PATIENCE; else 202, and who asks again gets it."""
        address = f"{request.url.path}?{request.url.query}"
        work, asked_at = self._answers.pop(address, (None, 0.0))
        if work is None or (work.done() and time.monotonic() - asked_at > ABANDONED):
            work = self._begin(endpoint, request)
        done, _ = await asyncio.wait({asyncio.wrap_future(work)}, timeout=PATIENCE)
        if done:
            return work.result()
        self._answers[address] = (work, time.monotonic())
        while len(self._answers) > MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answered({"reading": True}, status=202)

    # -- What is not a page's own -----------------------------------------------------------------

    def stack(self, console: Console, request: Request) -> Response:
        """What the page needs to know first."""
        inventory = console.inventory
        return answered(
            {
                "name": console.stack,
                "region": console.aws.region,
                "account": inventory.account,
                "endpoint": console.aws.endpoint,
                "local": console.local,
                "writable": console.writable,
                "hasEventLog": inventory.event_log is not None,
                "hasInbox": console.local,
                "workflows": [machine.as_dict() for machine in inventory.machines],
                "problems": inventory.problems,
            }
            | ({"token": self.token} if console.writable else {})
        )

    async def live(self, request: Request) -> Response:
        """Server-sent events."""
        stream = self.poller.listen(request.query_params.get("run"))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def index(self, request: Request) -> Response:
        """The page itself, at every address that is a page's."""
        self.prepare()
        path = PAGE / "index.html"
        if not path.is_file():
            return failure(404, f"There is no {path}.")
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'<base href="[^"]*"', f'<base href="{self.base}"', text, count=1)
        return Response(text, media_type="text/html", headers={"cache-control": "no-cache"})

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        path = PAGE / name
        if not _STATIC.fullmatch(name) or not path.is_file():
            return failure(404, f"There is no file page/{name}.")
        return _file(request, path)

    async def library(self, request: Request) -> Response:
        """A library of the page, from its npm package."""
        name = request.path_params["name"]
        if name not in LIBRARIES:
            return failure(404, f"There is no library {name}.")
        path = PACKAGES / LIBRARIES[name]
        if not path.is_file():
            return failure(404, f"{LIBRARIES[name]} is not installed.", "Run `make setup`.")
        return _file(request, path, _IMPORTS)


def _file(request: Request, path: Path, replaced: dict[bytes, bytes] | None = None) -> Response:
    found = path.stat()
    etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match", "").removeprefix("W/") == etag:
        return Response(status_code=304, headers=headers)
    if replaced is None:
        return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)
    content = path.read_bytes()
    for old, new in replaced.items():
        content = content.replace(old, new)
    return Response(content, media_type=_TYPES[".js"], headers=headers)


async def _body(request: Request) -> Any:
    """The request's JSON object, or the response that refuses it."""
    text = b""
    async for chunk in request.stream():
        text += chunk
        if len(text) > MOST_BODY:
            return failure(413, f"The request is larger than {MOST_BODY} bytes.")
    try:
        body = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return failure(400, "The request is not JSON.")
    return body if isinstance(body, dict) else failure(400, "The request is no JSON object.")


def prefers_soon(request: Request) -> bool:
    """Whether who asks rather has an early answer than a complete one (RFC 7240).

    The page does: it asks again, and is told when there is more.
    """
    return "respond-async" in request.headers.get("prefer", "")


def answered(value: Any, zipped: bool = False, status: int = 200) -> Response:
    """A JSON response. Compressed in the request's thread, not in the event loop."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    headers = {"cache-control": "no-store", "vary": "Accept-Encoding"}
    if zipped and len(text) >= LEAST_ZIPPED:
        text = gzip.compress(text, ZIPPED)
        headers["content-encoding"] = "gzip"
    return Response(text, status, media_type="application/json", headers=headers)


def failure(status: int, message: str, action: str | None = None) -> Response:
    error = {"message": message} | ({"action": action} if action else {})
    return Response(
        json.dumps({"error": error}, ensure_ascii=False),
        status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


class Guard:
    """Adds the security headers that a response lacks, and refuses requests of other web pages.

    A page elsewhere can send requests to this machine, also under a host name of its own that its
    DNS server resolves to 127.0.0.1. So `Host` and `Origin` must be this server's.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message.get("headers", [])}
                added = [
                    (name.encode(), text.encode())
                    for name, text in _HEADERS.items()
                    if name.encode() not in own
                ]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        app = self.app if self._accepts(Request(scope)) else failure(403, "Not from another page.")
        await app(scope, receive, send_with_headers)

    def _accepts(self, request: Request) -> bool:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return False
        site = request.headers.get("sec-fetch-site", "none")
        for origin in request.headers.getlist("origin"):
            hidden = origin == "null" and site == "same-origin"  # Referrer-Policy: no-referrer
            if origin.lower() != f"http://{hosts[0].lower()}" and not hidden:
                return False
        return site in ("same-origin", "none") or _follows_a_link(request)


def _follows_a_link(request: Request) -> bool:
    """A link to the page, for example in a note. Reading it gives the other site nothing."""
    return (
        request.method == "GET"
        and request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest") == "document"
        and "/api/" not in request.url.path
    )


def pages(server: Server) -> list[Route]:
    """The routes of all pages below api/."""
    from console import (
        architecture,
        dead_letters,
        events,
        inbox,
        run,
        storage,
        waiting,
        workflows,
    )

    modules = (run, events, waiting, inbox, dead_letters, workflows, architecture, storage)
    return [route for page in modules for route in page.routes(server)]


def create(console: Console, port: int, base: str = "/console/") -> tuple[ASGIApp, Poller]:
    """The app, and its poller, which others may wake."""
    server = Server(console, base)

    async def absent(request: Request) -> Response:
        return failure(404, f"There is no {request.url.path}.")

    async def to_base(request: Request) -> Response:
        return RedirectResponse(base)

    prefix = base.rstrip("/")
    routes = [
        Mount(
            f"{prefix}/api",
            routes=[
                server.get("stack", server.stack),
                Route("/live", server.live),
                *pages(server),
                Route("/{rest:path}", absent, methods=["GET", "POST"]),
            ],
        ),
        Route(f"{prefix}/page/{{name}}", server.static),
        Route(f"{prefix}/lib/{{name}}", server.library),
        Route(f"{prefix}/{{rest:path}}", server.index),
        *([Route(prefix, to_base), Route("/", to_base)] if prefix else []),
    ]
    zipping = Middleware(GZipMiddleware, minimum_size=LEAST_ZIPPED)
    app = Starlette(routes=routes, middleware=[zipping])
    return Guard(app, port), server.poller
