"""Which requests from a browser the local AWS accepts: only those of its own pages.

Every web page can send requests to 127.0.0.1, and the credentials of the local account are public.
So every request from another page is refused:

- A page can reach the server under its own host name, if that name's DNS record changes to
  127.0.0.1 (DNS rebinding). So `Host` must be this machine, or a virtual host below it.
- A browser names the page that sends a request in `Origin`, and the relation of both sites in
  `Sec-Fetch-Site`. https://www.w3.org/TR/fetch-metadata/
- No response has a CORS header. Our own pages need none, because all are on this server.

Other programs send none of these headers. Any program may send requests;
`local.server.authentication` verifies their signatures.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ministack.app import _parse_execute_api_url

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OWN_SITES = ("same-origin", "none")  # "none": typed address, bookmark, link in a mail program
_NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class Guard:
    """Passes requests of this machine's programs and of the server's own pages on to the app."""

    def __init__(self, app: App, port: int) -> None:
        self.app = app
        self.host = re.compile(rf"([a-z0-9._-]+\.)?(127\.0\.0\.1|localhost):{port}|\[::1\]:{port}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif reason := self.refusal(scope):
            await refuse(scope, send, reason)
        else:
            await self.app(scope, receive, _without_cors(send))

    def refusal(self, scope: Scope) -> str | None:
        """Why a request is refused, or None."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self.host.fullmatch(hosts[0].lower()):
            return (
                f"The local AWS refuses the Host header {', '.join(hosts) or '(none)'}: "
                "use the address that `make env` prints."
            )
        site = ", ".join(headers.get("sec-fetch-site", ["none"]))
        for origin in headers.get("origin", []):
            # A page that hides its address (Referrer-Policy: no-referrer) sends "null".
            hidden = origin == "null" and site == "same-origin"
            if origin.lower() != f"http://{hosts[0].lower()}" and not hidden:
                return f"The local AWS refuses requests from the page {origin}."
        if site not in _OWN_SITES and not _follows_a_link(scope, hosts[0], headers):
            return f"The local AWS refuses requests from other pages ({site})."
        return None


def _follows_a_link(scope: Scope, host: str, headers: dict[str, list[str]]) -> bool:
    """Whether a user follows a link, for example in webmail, to a page of the REST API."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and all(headers.get(name) == [value] for name, value in _NAVIGATION.items())
        and _parse_execute_api_url(host, scope["path"]) is not None
    )


async def refuse(scope: Scope, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = f"{reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_cors(send: Send) -> Send:
    async def send_without_cors(message: Message) -> None:
        if "headers" in message:
            kept = [
                h for h in message["headers"] if not h[0].lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
        await send(message)

    return send_without_cors
