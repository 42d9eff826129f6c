"""Fetching a profile by a URL that must not be logged."""

import json
import traceback
from typing import Any

import pytest
import requests

from handlers.cookies.errors import ProfileUnavailableError
from handlers.cookies.profiles import fetch

URL = "https://example.com/profile.json?X-Amz-Signature=s3cret"


def responses(status: int, body: str) -> Any:
    def get(url: str, **_: Any) -> requests.Response:
        assert url == URL
        response = requests.Response()
        response.status_code, response._content, response.url = status, body.encode(), url
        return response

    return get


def fails(error: Exception) -> Any:
    def get(*_: Any, **__: Any) -> requests.Response:
        raise error

    return get


def test_a_profile_is_fetched_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}

    def get(url: str, **options: Any) -> requests.Response:
        sent.update(options)
        response: requests.Response = responses(200, '{"name": "Ann"}')(url)
        return response

    monkeypatch.setattr(requests, "get", get)

    assert fetch(URL) == {"name": "Ann"}
    assert sum(sent["timeout"]) < 30  # of the function
    assert sent["allow_redirects"] is False


@pytest.mark.parametrize(
    ("get", "reason"),
    [
        pytest.param(responses(403, "expired"), "HTTP status 403", id="expired"),
        pytest.param(responses(404, "{}"), "HTTP status 404", id="gone"),
        pytest.param(responses(307, ""), "HTTP status 307", id="elsewhere"),
        pytest.param(responses(503, "slow down"), "HTTP status 503", id="busy"),
        pytest.param(responses(200, "<html>"), "JSONDecodeError", id="no-json"),
        pytest.param(responses(200, "[]"), "HTTP status 200", id="no-profile"),
        pytest.param(fails(requests.ConnectTimeout(f"GET {URL}")), "ConnectTimeout", id="slow"),
        pytest.param(fails(requests.ConnectionError(f"GET {URL}")), "ConnectionError", id="down"),
        pytest.param(fails(requests.exceptions.InvalidURL(URL)), "InvalidURL", id="no-url"),
    ],
)
def test_errors_do_not_contain_the_url(
    monkeypatch: pytest.MonkeyPatch, get: Any, reason: str
) -> None:
    monkeypatch.setattr(requests, "get", get)

    with pytest.raises(ProfileUnavailableError, match=reason) as raised:
        fetch(URL)

    # Lambda logs the whole chain of an exception, and hands the message on to task.failed.
    logged = "".join(traceback.format_exception(raised.value))
    assert "s3cret" not in logged
    assert "s3cret" not in json.dumps([str(raised.value), repr(raised.value.__cause__)])
