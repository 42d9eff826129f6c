"""POST {ApiUrl}/downloads: what the gateway accepts, and its response to the rest."""

from typing import Any
from urllib.parse import quote

import pytest

from local import api
from tests.support import web

from .conftest import PNG, Images

GOOD: dict[str, Any] = {
    "baseUrl": "http://127.0.0.1:9",
    "resourcePaths": ["x"],
    "lambdaConcur": 1,
}
OMITTED = object()  # the field is left out


def request_with(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (GOOD | changes).items() if value is not OMITTED}


BAD = {
    "missing base URL": (request_with(baseUrl=OMITTED), "baseUrl"),
    "missing paths": (request_with(resourcePaths=OMITTED), "resourcePaths"),
    "missing concurrency": (request_with(lambdaConcur=OMITTED), "lambdaConcur"),
    "wrong type": (request_with(resourcePaths="x"), "array"),
    "wrong type of a path": (request_with(resourcePaths=["x", 5]), "string"),
    "empty list": (request_with(resourcePaths=[]), "[]"),
    "unknown field": (request_with(callback="http://evil.example"), "callback"),
    "absolute path": (request_with(resourcePaths=["/etc/passwd"]), "/etc/passwd"),
    "another host": (request_with(resourcePaths=["//evil.example/x"]), "evil.example"),
    "credentials": (request_with(baseUrl="http://user:secret@127.0.0.1"), "secret"),
    "file URL": (request_with(baseUrl="file:///etc"), "file:///etc"),
    "too much at once": (request_with(lambdaConcur=65), "65"),
    "not an object": ([GOOD], "object"),
    "not JSON": ('{"baseUrl": ', "JSON"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD)
def test_a_bad_body_is_refused_with_the_reason(images: Images, body: Any, reason: str) -> None:
    response = images.post(body)

    assert response.status == 400
    assert response.json["message"] == "Invalid request body"
    assert reason in response.json["reason"]


def test_a_body_of_another_type_is_refused(images: Images) -> None:
    """A form would pass the schema by, which is for JSON: on AWS it is an unsupported type."""
    response = images.post(
        "baseUrl=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert response.status in (400, 415)


def test_unsigned_requests_are_refused(images: Images) -> None:
    assert images.post(GOOD, credentials=None).status == 403


def test_more_than_step_functions_accepts_is_refused_with_the_limit(images: Images) -> None:
    """10,000 paths are allowed, and 262,144 bytes; long paths reach the second limit first."""
    paths = [f"{number:05}/{'x' * 30}.png" for number in range(10_000)]
    response = images.post(images.request(paths))

    assert response.status == 400
    assert "less than or equal to 262144" in response.json["message"]


def test_the_response_has_the_execution(images: Images) -> None:
    images.server.routes["/x.png"] = web.file(PNG)
    response = images.post(images.request(["x.png"]))

    assert response.status == 200
    assert set(response.json) == {"executionArn", "startDate"}
    assert ":execution:stepworks-local-images:" in response.json["executionArn"]
    assert images.aws.wait_for_end(response.json["executionArn"])["status"] == "SUCCEEDED"


def test_quotes_and_other_alphabets_arrive_as_they_are(images: Images) -> None:
    path = "Flaggen/O'Brien's \"ä\" 🙂.png"
    images.server.routes["/Flaggen/O'Brien's%20%22%C3%A4%22%20%F0%9F%99%82.png"] = web.file(PNG)
    ended = images.run([path])

    assert ended["status"] == "SUCCEEDED"
    assert images.item(path) is not None


def test_the_status_of_a_run_can_be_read(images: Images) -> None:
    images.server.routes["/x.png"] = web.file(PNG)
    good, bad = (images.run([path])["executionArn"] for path in ("x.png", "gone.png"))

    succeeded, failed = (
        api.call(images.aws, "GET", f"/executions/{quote(arn, safe='')}").json
        for arn in (good, bad)
    )

    assert succeeded["output"]["downloaded"] == 1
    assert set(succeeded) == {"executionArn", "status", "startDate", "stopDate", "output"}
    assert failed["error"] == "DownloadsFailedError"
    assert set(failed) == {"executionArn", "status", "startDate", "stopDate", "error", "cause"}
