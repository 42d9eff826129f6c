"""Requests for downloads: the gateway's schema and the function accept and refuse the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from handlers.images import request as module
from handlers.images.errors import InvalidDownloadRequestError
from handlers.images.request import DownloadRequest

SCHEMA = json.loads(Path("handlers/images/request.schema.json").read_text())
GOOD: dict[str, Any] = {
    "baseUrl": "https://flags.example/png",
    "resourcePaths": ["ad/ad.gif", "ae/ae.gif"],
    "lambdaConcur": 5,
}
OMITTED = object()  # the field is left out


def request_with(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (GOOD | changes).items() if value is not OMITTED}


BASE_URLS = {
    "http": "http://flags.example",
    "capitals": "HTTPS://Flags.Example/A/",
    "port": "http://127.0.0.1:8080/flags",
    "IPv6": "http://[2001:db8::1]:8080/",
    "not ASCII": "https://bücher.example/ä",
    "an @ in the path": "https://flags.example/@you",
}
PATHS = {
    "a name": "ad.gif",
    "folders": "a/b/c.gif",
    "space": "a b.gif",
    "query": "flag?code=ad&time=12:30",
    "colon later": "a/b:c.gif",
    "dots": "../ad.gif",
    "not ASCII": "flaggen/ä🙂.gif",
    "longest": "x" * 1024,
}
ACCEPTED = {
    "as documented": GOOD,
    "one path": request_with(resourcePaths=["x"]),
    "duplicates": request_with(resourcePaths=["x", "x"]),
    "most paths": request_with(resourcePaths=["x"] * 10_000),
    "least concurrency": request_with(lambdaConcur=1),
    "most concurrency": request_with(lambdaConcur=64),
    **{f"base URL: {name}": request_with(baseUrl=value) for name, value in BASE_URLS.items()},
    **{f"path: {name}": request_with(resourcePaths=[value]) for name, value in PATHS.items()},
}
BAD_BASE_URLS = {
    "empty": "",
    "no scheme": "flags.example",
    "ftp": "ftp://flags.example",
    "file": "file:///etc/passwd",
    "no host": "http:///flags",
    "credentials": "https://user:password@flags.example",
    "a user": "https://user@flags.example/",
    "query": "https://flags.example/?x",
    "fragment": "https://flags.example/#x",
    "space": "https://flags.example/a b",
    "backslash": "https://flags.example\\@127.0.0.1/",
    "too long": "https://flags.example/" + "x" * 1003,
    "a number": 5,
    "null": None,
}
BAD_PATHS = {
    "empty": "",
    "absolute": "/etc/passwd",
    "other host": "//evil.example/x",
    "URL": "https://evil.example/x",
    "scheme": "javascript:alert(1)",
    "backslash": "a\\b",
    "backslashes first": "\\\\evil\\x",
    "fragment": "a#b",
    "query only": "?x",
    "line break": "a\nb",
    "NUL": "a\x00b",
    "space first": " a",
    "too long": "x" * 1025,
    "a number": 5,
    "null": None,
    "a list": ["x"],
}
REFUSED = {
    "not an object": [GOOD],
    "empty object": {},
    "unknown field": request_with(callback="https://evil.example"),
    "no baseUrl": request_with(baseUrl=OMITTED),
    "no resourcePaths": request_with(resourcePaths=OMITTED),
    "no lambdaConcur": request_with(lambdaConcur=OMITTED),
    "no paths": request_with(resourcePaths=[]),
    "too many paths": request_with(resourcePaths=["x"] * 10_001),
    "paths are a string": request_with(resourcePaths="ad.gif"),
    "paths are an object": request_with(resourcePaths={"0": "ad.gif"}),
    "no concurrency": request_with(lambdaConcur=0),
    "too much concurrency": request_with(lambdaConcur=65),
    "concurrency is text": request_with(lambdaConcur="5"),
    "concurrency is a fraction": request_with(lambdaConcur=1.5),
    "concurrency is true": request_with(lambdaConcur=True),
    **{f"base URL: {name}": request_with(baseUrl=value) for name, value in BAD_BASE_URLS.items()},
    **{
        f"path: {name}": request_with(resourcePaths=["ok", value])
        for name, value in BAD_PATHS.items()
    },
}


@pytest.mark.parametrize("event", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted_by_the_gateway_and_by_the_function(event: dict[str, Any]) -> None:
    assert list(Draft4Validator(SCHEMA).iter_errors(event)) == []

    request = DownloadRequest.from_event(event)

    assert request.base_url == event["baseUrl"]
    assert request.resource_paths == tuple(event["resourcePaths"])
    assert request.concurrency == event["lambdaConcur"]


@pytest.mark.parametrize("event", REFUSED.values(), ids=REFUSED)
def test_refused_by_the_gateway_and_by_the_function(event: Any) -> None:
    assert list(Draft4Validator(SCHEMA).iter_errors(event))

    with pytest.raises(InvalidDownloadRequestError):
        DownloadRequest.from_event(event)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (request_with(resourcePaths=["ok", "/etc"]), r"resourcePaths\[1\] must be a path relative"),
        (request_with(lambdaConcur=65), "whole number from 1 to 64"),
        (request_with(resourcePaths=[]), "a list of 1 to 10,000"),
        (request_with(baseUrl="ftp://x"), "http or https address without credentials"),
        (request_with(baseUrl=OMITTED, lambdaConcur=OMITTED), "lacks baseUrl, lambdaConcur"),
        (request_with(callback=1), r"unknown fields: \['callback'\]"),
        ("text", "not an object"),
    ],
    ids=["path", "concurrency", "no paths", "base URL", "missing", "unknown", "text"],
)
def test_the_refusal_says_what_is_wrong(event: Any, message: str) -> None:
    with pytest.raises(InvalidDownloadRequestError, match=message):
        DownloadRequest.from_event(event)


@pytest.mark.parametrize(
    "event",
    [request_with(baseUrl="https://flags.example/\n"), request_with(resourcePaths=["a\n"])],
    ids=["base URL", "path"],
)
def test_a_line_break_at_the_end_is_refused(event: dict[str, Any]) -> None:
    """In some dialects of regular expressions `$` accepts it, possibly in the gateway's."""
    with pytest.raises(InvalidDownloadRequestError):
        DownloadRequest.from_event(event)


def test_a_lone_surrogate_is_refused() -> None:
    """JSON allows a lone surrogate, so the gateway lets it through."""
    with pytest.raises(InvalidDownloadRequestError):
        DownloadRequest.from_event(request_with(resourcePaths=["\ud83d"]))


def test_gateway_and_function_have_the_same_limits() -> None:
    properties = SCHEMA["properties"]

    assert properties["resourcePaths"]["maxItems"] == module.MAX_PATHS
    assert properties["resourcePaths"]["items"]["maxLength"] == module.MAX_LENGTH
    assert properties["baseUrl"]["maxLength"] == module.MAX_LENGTH
    assert properties["lambdaConcur"]["maximum"] == module.MAX_CONCURRENCY
