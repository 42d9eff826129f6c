"""Which requests pass the guard of the local AWS, and what it removes from responses."""

import asyncio
from typing import Any

import pytest

from local.server.guard import Guard

PORT = 4566
HOME = f"127.0.0.1:{PORT}"
PAGE = "/_aws/execute-api/0123abcd/local/signatures/1"
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def accepts_everything(scope: Any, receive: Any, send: Any) -> None:
    """An app that accepts every request."""
    headers = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-max-age", b"1")]
    headers.append((b"content-type", b"text/plain"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"opened"})


def sent(
    headers: list[tuple[str, str]], method: str = "GET", path: str = "/", type_: str = "http"
) -> list[dict[str, Any]]:
    """What the guarded app sends in response to a request."""
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": type_,
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(Guard(accepts_everything, PORT)(scope, receive, send))
    return messages


def status(host: str = HOME, method: str = "GET", path: str = "/", **headers: str) -> int:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    code: int = sent([("host", host), *pairs], method, path)[0]["status"]
    return code


@pytest.mark.parametrize(
    "host",
    [
        HOME,
        f"localhost:{PORT}",
        f"LocalHost:{PORT}",
        f"[::1]:{PORT}",
        f"bucket.localhost:{PORT}",
        f"my.bucket.s3.us-east-1.localhost:{PORT}",
        f"bucket.{HOME}",
        f"0123abcd.execute-api.{HOME}",
    ],
)
def test_this_machine_and_its_virtual_hosts_are_served(host: str) -> None:
    assert status(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "localhost",
        "localhost:80",
        f"localhost.:{PORT}",
        f"evil.example:{PORT}",
        f"localhost.evil.example:{PORT}",
        f"evillocalhost:{PORT}",
        f"127.0.0.1.evil.example:{PORT}",
        f"{HOME}@evil.example:{PORT}",
        f"{HOME}\n",
        f"0.0.0.0:{PORT}",
        f"a.[::1]:{PORT}",
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    assert status(host) == 403
    assert status(host, path=PAGE) == 403


@pytest.mark.parametrize("hosts", [[], [HOME, "evil.example"]], ids=["no Host", "two"])
def test_a_request_has_one_host(hosts: list[str]) -> None:
    assert sent([("host", host) for host in hosts])[0]["status"] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"},
        {"sec_fetch_site": "same-origin"},
        {"origin": f"http://{HOME}", "sec_fetch_site": "same-origin"},
        {"origin": f"http://{HOME}"},
        {"origin": "null", "sec_fetch_site": "same-origin"},
    ],
    ids=["a program", "typed", "own image", "own form", "old browser", "own form, no referrer"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_programs_and_own_pages_are_served(method: str, headers: dict[str, str]) -> None:
    assert status(method=method, path=PAGE, **headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8000", "sec_fetch_site": "same-site"},
        {"origin": f"http://localhost:{PORT}", "sec_fetch_site": "cross-site"},
        {"origin": f"https://{HOME}"},
        {"origin": "null"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": f"http://{HOME}", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "cross-site", **{k.replace("-", "_"): v for k, v in NAVIGATION.items()}},
    ],
    ids=[
        "another site",
        "another port",
        "another name",
        "another scheme",
        "a file, old browser",
        "a sandboxed frame",
        "redirected by another site",
        "an image elsewhere",
        "an image on another port",
        "a link to what is no page",
    ],
)
@pytest.mark.parametrize("path", ["/", "/_ministack/ses/messages", "/_ministack/reset"])
def test_other_pages_are_refused(path: str, headers: dict[str, str]) -> None:
    assert status(path=path, **headers) == 403
    assert status(method="POST", path=path, **headers) == 403
    assert status(method="OPTIONS", path=path, **headers) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_opens_a_page_of_the_api_and_nothing_else(site: str) -> None:
    link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}

    assert status(path=PAGE, **link) == 200
    assert status(path=PAGE, method="POST", **link) == 403
    assert status(path=PAGE, **link | {"sec_fetch_dest": "iframe"}) == 403
    assert status(path=PAGE, **link | {"sec_fetch_mode": "cors"}) == 403
    assert status(path=PAGE, origin="http://evil.example", **link) == 403


def test_no_response_has_a_cors_header() -> None:
    start = sent([("host", HOME)])[0]

    assert start["headers"] == [(b"content-type", b"text/plain")]


def test_a_websocket_of_another_page_is_closed() -> None:
    page = [("host", HOME), ("origin", "http://evil.example")]

    assert sent(page, type_="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_a_refusal_says_what_to_do() -> None:
    body = sent([("host", "my-laptop:4566")])[1]["body"].decode()

    assert "Host header my-laptop:4566" in body
    assert "make env" in body
