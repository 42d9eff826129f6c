"""POST {ApiUrl}/downloads: what the gateway accepts, and its response to the rest."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from local import api
from tests.support import web
from tests.support.checks import only_on_aws

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


@pytest.mark.check("form-body", only_on_aws="it validates a body whatever its type is")
def test_a_body_of_another_type_is_refused(images: Images) -> None:
    """A form would pass the schema by, which is for JSON: on AWS it is an unsupported type."""
    response = images.post(
        "baseUrl=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert response.status == 400 if images.aws.is_local else 415


@pytest.mark.check("api-unsigned")
def test_unsigned_requests_are_refused(images: Images) -> None:
    assert images.post(GOOD, credentials=None).status == 403


@pytest.mark.check(
    "start-refusal", only_on_aws="local/gaps/api_starts_execution.py renders the mapping"
)
def test_more_than_step_functions_accepts_is_refused_with_the_limit(images: Images) -> None:
    """10,000 paths are allowed, and 262,144 bytes; long paths reach the second limit first."""
    paths = [f"{number:05}/{'x' * 30}.png" for number in range(10_000)]
    response = images.post(images.request(paths))

    assert response.status == 400
    assert "less than or equal to 262144" in response.json["message"]


@pytest.mark.check("images-happy")
@pytest.mark.check("api-start-role", only_on_aws="it starts a machine without assuming a role")
@pytest.mark.check(
    "image-signature", only_on_aws="its S3 compares our signature with its own idea of one"
)
def test_the_response_has_the_execution_and_the_file_is_stored(images: Images) -> None:
    base, path = images.public(images.aws.name())
    body = {"baseUrl": base, "resourcePaths": [path], "lambdaConcur": 1}
    response = images.post(body)

    assert response.status == 200
    assert set(response.json) == {"executionArn", "startDate"}
    assert f":execution:{images.aws.stack}-images:" in response.json["executionArn"]
    ended = images.aws.wait_for_end(response.json["executionArn"])
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"])["downloaded"] == 1
    found = images.aws.client("dynamodb").get_item(
        TableName=images.aws.outputs["ImagesTable"], Key={"url": {"S": f"{base}/{path}"}}
    )["Item"]
    stored = images.aws.client("s3").head_object(
        Bucket=images.aws.outputs["ImagesBucket"], Key=found["filename"]["S"]
    )
    assert stored["ContentLength"] == int(found["bytes"]["N"]) > 0


@pytest.mark.check("events-of-a-batch", only_on_aws="its histories have fewer events of a Map")
def test_a_batch_writes_seven_events_at_most(images: Images) -> None:
    """Decision 0020: so 200 batches stay far below the 25,000 events that a history may have."""
    base, path = images.public(images.aws.name())
    ended = images.aws.wait_for_end(
        images.post({"baseUrl": base, "resourcePaths": [path], "lambdaConcur": 1}).json[
            "executionArn"
        ]
    )

    kinds = [event["type"] for event in images.aws.history(ended["executionArn"])]
    only_on_aws(images.aws, "its histories have fewer events of a Map")
    begin, end = (kinds.index(f"MapIteration{what}") for what in ("Started", "Succeeded"))
    assert end - begin + 1 <= 7, kinds[begin : end + 1]


@pytest.mark.check("images-failing")
@pytest.mark.check("encrypted-topic", only_on_aws="it does not encrypt what a topic gets")
def test_a_file_that_is_missing_fails_the_run_and_is_published(images: Images) -> None:
    base, _ = images.public(images.aws.name())
    missing = f"{images.aws.name()}.png"
    body = {"baseUrl": base, "resourcePaths": [missing], "lambdaConcur": 1}
    ended = images.aws.wait_for_end(images.post(body).json["executionArn"])

    assert (ended["status"], ended["error"]) == ("FAILED", "DownloadsFailedError")
    subject, message = images.published(missing)
    assert subject == "Failed stepfunction download tasks"
    (sentence,) = json.loads(message)
    assert f"{base}/{missing}" in sentence


@pytest.mark.check("data-limit", only_on_aws="it limits no state's data")
def test_an_input_that_leaves_no_room_for_the_name_fails_the_run(images: Images) -> None:
    """Decision 0024: `States.DataLimitExceeded`, which only a Catch by its name matches."""
    base, _ = images.public(images.aws.name())
    body = {"baseUrl": base, "resourcePaths": [""], "lambdaConcur": 1}
    room = 262_144 - 20 - len(json.dumps(body))
    name = images.aws.name()
    paths = [f"{name}-{number:03}-{'x' * 950}" for number in range(room // 1_000)]
    body["resourcePaths"] = paths
    paths.append("y" * max(1, 262_144 - 20 - len(json.dumps(body)) - 4))
    only_on_aws(images.aws, "it limits no state's data")

    started = images.aws.client("stepfunctions").start_execution(
        stateMachineArn=images.aws.outputs["ImagesStateMachineArn"],
        name=images.aws.name(),
        input=json.dumps(body),
    )
    ended = images.aws.wait_for_end(started["executionArn"])

    assert (ended["status"], ended["error"]) == ("FAILED", "TaskStoppedError")
    assert "States.DataLimitExceeded" in ended["cause"]


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
