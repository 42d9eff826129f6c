"""Fetching from servers that behave well, badly, or otherwise."""

import io
import socket
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import BACKOFF, Fetched, Limits, _retry_after
from handlers.images.http_client.time_limit import Watchdog
from tests.integration.images.conftest import LIMITS, SHORT_LIMITS, fetcher
from tests.support import web
from tests.support.web import Request, Route, Web

pytestmark = pytest.mark.usefixtures("brief_silence")

PNG = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[Web]:
    with web.serve({}) as running:
        yield running


def fetch(
    server: Web, route: Route, *, seconds: float = 5, limits: Limits = LIMITS
) -> tuple[Fetched, bytes]:
    """The result of fetching /x from a server with this route."""
    server.routes["/x"] = route
    sink = io.BytesIO()
    with Watchdog() as watchdog, watchdog.limit(time.monotonic() + seconds) as limit:
        fetched = fetcher(limits=limits).fetch(f"{server.url}/x", sink, limit)
    return fetched, sink.getvalue()


def download_error(
    server: Web, route: Route, *, seconds: float = 5, limits: Limits = LIMITS
) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        fetch(server, route, seconds=seconds, limits=limits)
    return caught.value


# -- What is received ------------------------------------------------------------------------


def test_the_body_is_unchanged_and_its_type_is_kept(server: Web) -> None:
    fetched, body = fetch(server, web.file(PNG, "image/png; q=1"))

    assert body == PNG
    assert fetched == Fetched(len(PNG), "image/png; q=1", None)


def test_an_empty_file_is_downloaded(server: Web) -> None:
    assert fetch(server, web.file(b"")) == (Fetched(0, "image/png", None), b"")


def test_a_missing_content_type_is_none(server: Web) -> None:
    assert fetch(server, web.status(200, b"x"))[0].content_type is None


def test_a_compressed_body_stays_as_it_came(server: Web) -> None:
    fetched, body = fetch(server, web.status(200, b"not gzip at all", Content_Encoding="gzip"))

    assert (fetched.content_encoding, body) == ("gzip", b"not gzip at all")
    assert server.headers["/x"]["Accept-Encoding"] == "identity"


def test_a_body_in_chunks(server: Web) -> None:
    chunks = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"

    def route(request: Request) -> None:
        request.respond(200, b"", Content_Length=None, Transfer_Encoding="chunked")
        request.wfile.write(chunks)

    assert fetch(server, route)[1] == b"abcdefg"


def test_no_proxy_netrc_or_extra_header_is_used(
    server: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", "/dev/null")
    first = fetch(server, web.status(200, b"x", Set_Cookie="session=1; Path=/"))
    assert first[1] == b"x"

    fetch(server, web.file(b"x"))

    assert set(server.headers["/x"]) == {
        *("Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"),
    }


def test_a_cookie_is_not_remembered(server: Web) -> None:
    server.routes["/x"] = web.status(200, b"x", Set_Cookie="session=1; Path=/")
    one = fetcher()
    with Watchdog() as watchdog, watchdog.limit(time.monotonic() + 5) as limit:
        for _ in range(2):
            one.fetch(f"{server.url}/x", io.BytesIO(), limit)

    assert "Cookie" not in server.headers["/x"]


def test_connections_are_reused_after_errors_too(server: Web) -> None:
    server.routes |= {"/x": web.file(PNG), "/y": web.redirect("/x"), "/z": web.status(404, b"no")}
    one = fetcher()
    with Watchdog() as watchdog, watchdog.limit(time.monotonic() + 5) as limit:
        for path in ("/x", "/y", "/z", "/x"):
            with nullcontext() if path != "/z" else pytest.raises(DownloadError):
                one.fetch(server.url + path, io.BytesIO(), limit)

    assert sum(server.requests.values()) == 5
    assert len(server.clients) == 1


# -- Responses that are errors -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (400, "HTTP error 400 - Bad Request"),
        (401, "HTTP error 401 - Unauthorized"),
        (403, "HTTP error 403 - Forbidden"),
        (404, "Could not find"),
        (410, "HTTP error 410 - Gone"),
        (204, "HTTP error 204 - No Content"),
        (304, "HTTP error 304 - Not Modified"),
    ],
)
def test_permanent_errors_are_not_retried(server: Web, code: int, reason: str) -> None:
    error = download_error(server, web.status(code))

    assert (error.reason, error.status) == (reason, code)
    assert server.requests["/x"] == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_transient_errors_are_tried_three_times(server: Web, code: int) -> None:
    error = download_error(server, web.status(code))

    assert error.status == code
    assert error.reason.startswith(f"HTTP error {code} - ")
    assert server.requests["/x"] == 3


def test_500_twice_then_200(server: Web) -> None:
    broken = web.status(500, b"half a page")

    assert fetch(server, web.in_turn(broken, broken, web.file(PNG)))[1] == PNG


def test_an_incomplete_body_is_removed_before_the_next_attempt(server: Web) -> None:
    broken = web.stops_after(len(PNG), PNG[:5000])

    assert fetch(server, web.in_turn(broken, web.file(PNG)))[1] == PNG


def test_the_servers_own_reason_phrase_is_reported(server: Web) -> None:
    def route(request: Request) -> None:
        request.send_response(418, "Short and stout")
        request.send_header("Content-Length", "0")
        request.end_headers()

    assert download_error(server, route).reason == "HTTP error 418 - Short and stout"


# -- Retry-After -----------------------------------------------------------------------------


def test_retry_after_is_waited_for(server: Web) -> None:
    started = time.monotonic()
    fetch(server, web.in_turn(web.status(429, Retry_After="1"), web.file(PNG)))

    assert time.monotonic() - started >= 1


def test_a_retry_after_beyond_the_time_limit_fails_at_once(server: Web) -> None:
    started = time.monotonic()
    error = download_error(server, web.status(503, Retry_After="3600"))

    assert error.status == 503
    assert server.requests["/x"] == 1
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("5", 5),
        (" 7 ", 7),
        ("0", 0),
        ("soon", 0),
        ("-3", 0),
        ("+3", 0),
        ("1.5", 0),
        ("1_0", 0),
        ("²", 0),
        ("٣", 0),
        ("9" * 9, 999_999_999),
        ("9" * 400, 0),
        ("9" * 5000, 0),
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert _retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    at = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < _retry_after(format_datetime(at, usegmt=True)) <= 100
    assert 95 < _retry_after(format_datetime(at.replace(tzinfo=None))) <= 100
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


UNREADABLE_DATES = {
    "after the year 9999": "Fri, 31 Dec 99999 23:59:59 GMT",
    "a year of twenty digits": f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT",
    "a year of 5,000 digits": f"Fri, 31 Dec {'9' * 5000} 23:59:59 GMT",
    "before the year 1": "Fri, 31 Dec -1 23:59:59 GMT",
    "the 32nd": "Fri, 32 Dec 2099 23:59:59 GMT",
    "a zone beyond a day": "Fri, 31 Dec 2099 23:59:59 +9999",
    "a zone that leads beyond the year 9999": "Fri, 31 Dec 9999 23:59:59 -2300",
    "a zone that leads before the year 1": "Mon, 01 Jan 0001 00:00:00 +2300",
}


@pytest.mark.parametrize("value", UNREADABLE_DATES.values(), ids=UNREADABLE_DATES)
def test_retry_after_with_an_invalid_date(value: str) -> None:
    assert _retry_after(value) >= 0


_dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Fri", ""]),
    st.integers(-1, 40),
    st.sampled_from(["Jan", "Dec", "Foo"]),
    st.integers(-1, 10**12),
    *[st.integers(-1, 100)] * 3,
    st.sampled_from(["GMT", "-0000", "+9999", "-2359", "EST", ""]),
)


@given(st.one_of(st.text(), st.text("0123456789²٣+-. ,:", max_size=400), _dates))
def test_any_retry_after_is_a_finite_number_of_seconds(value: str) -> None:
    assert 0 <= _retry_after(value) < float("inf")


@pytest.mark.parametrize("value", ["²", "9" * 5000, "Fri, 31 Dec 99999 23:59:59 GMT"])
def test_a_response_with_an_unreadable_retry_after_is_retried(server: Web, value: str) -> None:
    def busy(request: Request) -> None:
        request.wfile.write(
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: "
            + value.encode("latin-1")
            + b"\r\n\r\n"
        )

    assert fetch(server, web.in_turn(busy, web.file(PNG)))[1] == PNG


def test_pauses_are_random_grow_and_are_bounded() -> None:
    assert all(0 <= BACKOFF(attempt) <= min(8, 0.5 * 2**attempt) for attempt in range(1, 10))
    assert len({BACKOFF(3) for _ in range(10)}) > 1


# -- Servers that misbehave ------------------------------------------------------------------


def test_a_server_that_hangs(server: Web) -> None:
    error = download_error(server, web.hangs, limits=SHORT_LIMITS)

    assert error.reason == "No data for 0.2 s"
    assert error.status is None
    assert server.requests["/x"] == 3


def test_a_server_that_hangs_in_the_middle_of_a_body(server: Web) -> None:
    def route(request: Request) -> None:
        request.respond(200, b"half", Content_Length=8)
        web.hangs(request)

    assert download_error(server, route, limits=SHORT_LIMITS).reason == "No data for 0.2 s"


def test_a_server_that_resets(server: Web) -> None:
    assert download_error(server, web.resets).reason == "Incomplete or invalid response"
    assert server.requests["/x"] == 3


def test_a_server_that_sends_less_than_declared(server: Web) -> None:
    assert (
        download_error(server, web.stops_after(2 * len(PNG), PNG)).reason
        == "Incomplete or invalid response"
    )


def test_a_server_that_does_not_speak_http(server: Web) -> None:
    def route(request: Request) -> None:
        request.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        request.close_connection = True

    assert download_error(server, route).reason == "Incomplete or invalid response"


def test_a_body_declared_too_large_is_not_read(server: Web) -> None:
    error = download_error(server, web.status(200, b"", Content_Length=100_000_000))

    assert error.reason == "Larger than 100,000 bytes"
    assert server.requests["/x"] == 1


def test_a_body_of_unknown_length_ends_at_the_limit(server: Web) -> None:
    assert download_error(server, web.endless).reason == "Larger than 100,000 bytes"
    assert server.requests["/x"] == 1


def test_a_file_of_exactly_the_limit(server: Web) -> None:
    assert fetch(server, web.file(bytes(100_000)))[0].size == 100_000


@pytest.mark.parametrize(
    "drip",
    [web.drips, web.drips_without_length, web.drips_headers(200), web.drips_headers(404)],
    ids=["body", "body without a length", "headers", "headers of an error"],
)
def test_a_slow_response_ends_at_the_time_limit(server: Web, drip: Route) -> None:
    started = time.monotonic()
    error = download_error(server, drip, seconds=0.3)

    assert error.reason == "Out of time"
    assert 0.3 <= time.monotonic() - started < 3
    assert server.requests["/x"] == 1


def test_no_request_is_sent_after_the_time_limit(server: Web) -> None:
    assert download_error(server, web.file(PNG), seconds=0).reason == "Out of time"
    assert not server.requests


def test_a_refused_connection() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        Watchdog() as watchdog,
        watchdog.limit(time.monotonic() + 5) as limit,
        pytest.raises(DownloadError, match="No connection"),
    ):
        fetcher().fetch(f"http://127.0.0.1:{port}/x", io.BytesIO(), limit)


# -- Redirects -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(server: Web, code: int) -> None:
    server.routes["/folder/y"] = web.file(PNG)

    assert fetch(server, web.redirect("folder/y", code))[1] == PNG


@pytest.mark.parametrize(("hops", "arrives"), [(5, True), (6, False)])
def test_five_redirects_and_no_more(server: Web, hops: int, arrives: bool) -> None:
    for hop in range(1, hops):
        server.routes[f"/{hop}"] = web.redirect(f"/{hop + 1}")
    server.routes[f"/{hops}"] = web.file(PNG)

    if arrives:
        assert fetch(server, web.redirect("/1"))[1] == PNG
    else:
        assert download_error(server, web.redirect("/1")).reason == "More than 5 redirects"
        assert server.requests["/6"] == 0


def test_a_redirect_in_a_circle_ends(server: Web) -> None:
    assert download_error(server, web.redirect("/x")).reason == "More than 5 redirects"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "Neither http nor https"),
        ("gopher://127.0.0.1/", "Neither http nor https"),
        ("http://user:password@127.0.0.1/", "Credentials in a URL are not allowed"),
        ("http://[half/", "Not a valid URL"),
        ("https:///x", "Not a valid URL"),
    ],
    ids=["file", "gopher", "credentials", "no address", "no host"],
)
def test_a_redirect_to_a_forbidden_url_is_refused(server: Web, location: str, reason: str) -> None:
    assert download_error(server, web.redirect(location)).reason == reason


def test_a_redirect_without_a_target_is_an_error(server: Web) -> None:
    assert download_error(server, web.status(302)).reason == "HTTP error 302 - Found"


def test_a_redirect_with_a_body_that_does_not_end(server: Web) -> None:
    def route(request: Request) -> None:
        request.respond(302, b"", Content_Length=None, Location="/y", Connection="close")
        web.write_for_ever(request)

    server.routes["/y"] = web.file(PNG)

    assert fetch(server, route)[1] == PNG


def test_a_redirect_in_utf_8(server: Web) -> None:
    server.routes["/%C3%A4"] = web.file(PNG)

    assert fetch(server, web.redirect("/ä".encode().decode("latin-1")))[1] == PNG
