"""Downloads from the API to the bucket, the table and the topic."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.size import Size
from tests.support import web

from .conftest import PNG, Images

LARGE = bytes(range(256)) * 12_000  # 3 MB: more than is kept in memory
SUCCESS = [
    *(
        "Drop Paths From State",
        "Batch Resources",
        "Download Batches",
        "Download Batch",
        "Consolidate",
    ),
    *("Record Downloads", "All Downloaded?", "All resource downloads succeeded"),
]


def folder(count: int) -> dict[str, web.Route]:
    return {f"/{number:05}.png": web.file(PNG) for number in range(count)}


def test_all_succeed(images: Images) -> None:
    images.server.routes |= {
        "/ad/x.png": web.file(PNG + b"ad"),
        "/ae/x.png": web.file(PNG + b"ae!"),
        "/text": web.file(b"plain", "text/plain; charset=utf-8"),
        "/large": web.file(LARGE),
    }
    ended = images.run(["ad/x.png", "ae/x.png", "text", "large"])

    assert ended["status"] == "SUCCEEDED"
    assert images.aws.visited(ended["executionArn"]) == SUCCESS
    output = json.loads(ended["output"])
    assert (output["requested"], output["downloaded"], output["failed"]) == (4, 4, 0)
    assert images.stored() == {
        "ad/x.png": len(PNG) + 2,
        "ae/x.png": len(PNG) + 3,
        "text": 5,
        "large": len(LARGE),
    }
    assert images.object("large")["Body"].read() == LARGE
    assert images.object("ad/x.png")["Body"].read() == PNG + b"ad"
    assert images.object("text")["ContentType"] == "text/plain; charset=utf-8"
    item = images.item("ae/x.png")
    assert item is not None
    assert item.pop("downloadedAt")["S"].startswith("20")
    assert item == {
        "url": {"S": f"{images.server.url}/ae/x.png"},
        "filename": {"S": f"127.0.0.1:{images.server.port}/ae/x.png"},
        "bytes": {"N": str(len(PNG) + 3)},
        "contentType": {"S": "image/png"},
    }


def test_some_are_missing(images: Images) -> None:
    images.server.routes |= folder(7)
    paths = [f"{number:05}.png" for number in range(7)]
    ended = images.run([*paths[:3], "gone/ä.png", *paths[3:], "gone.png"])

    assert (ended["status"], ended["error"]) == ("FAILED", "DownloadsFailedError")
    assert ended["cause"] == "One or more resources failed to download"
    subject, message = images.published(images.server.url)
    assert subject == "Failed stepfunction download tasks"
    assert json.loads(message) == [
        f"Could not find: {images.server.url}/gone/ä.png",
        f"Could not find: {images.server.url}/gone.png",
    ]
    # Successes are recorded even when others failed.
    assert sorted(images.stored()) == paths
    assert all(images.item(path) for path in paths)
    assert images.item("gone.png") is None


def test_servers_that_misbehave_fail_only_their_own_items(images: Images) -> None:
    broken = web.status(500)
    images.server.routes |= {
        "/good": web.file(PNG),
        "/third-time": web.in_turn(broken, broken, web.file(PNG)),
        "/broken": broken,
        "/forbidden": web.status(403),
        "/hangs": web.hangs,
        "/resets": web.resets,
        "/large": web.status(200, b"", Content_Length=100 * 1024 * 1024),
        "/endless": web.endless,
        "/short": web.stops_after(5000, PNG),
        "/drips": web.drips,
        "/circle": web.redirect("/circle"),
        "/moved": web.redirect("/good"),
        "/file": web.redirect("file:///etc/passwd"),
    }
    ended = images.run([name[1:] for name in images.server.routes], concurrency=16)

    found = {
        outcome["url"].rpartition("/")[2]: outcome.get("message", "").partition(":")[0]
        for outcome in images.report(ended["executionArn"])
    }
    assert found == {
        "good": "",
        "third-time": "",
        "moved": "",
        "broken": "HTTP error 500 - Internal Server Error",
        "forbidden": "HTTP error 403 - Forbidden",
        "hangs": "No data for 2 s",
        "resets": "Incomplete or invalid response",
        "large": "Larger than 26,214,400 bytes",
        "endless": "Larger than 26,214,400 bytes",
        "short": "Incomplete or invalid response",
        "drips": "Out of time",
        "circle": "More than 5 redirects",
        "file": "Neither http nor https",
    }
    assert set(images.stored()) == {"good", "third-time", "moved"}


def test_duplicates_are_downloaded_once_and_reported_for_each(images: Images) -> None:
    images.server.routes |= folder(2)
    ended = images.run(["00000.png", "none", "00001.png", "00000.png", "none", "00000.png"])

    assert images.server.requests == {"/00000.png": 1, "/00001.png": 1, "/none": 1}
    statuses = [outcome["statusCode"] for outcome in images.report(ended["executionArn"])]
    assert statuses == [200, 404, 200, 200, 404, 200]
    assert len(json.loads(images.published(images.server.url)[1])) == 2


@pytest.mark.check("start-twice", only_on_aws="it always refuses a name that was used")
def test_the_same_execution_started_twice_is_one(images: Images) -> None:
    """AWS returns the first execution while it runs, and an error after its end.

    The local AWS always returns the error.
    """
    base, path = images.public(images.aws.name())
    states = images.aws.client("stepfunctions")
    start: dict[str, Any] = {
        "stateMachineArn": images.aws.outputs["ImagesStateMachineArn"],
        "name": images.aws.name(),
        "input": json.dumps({"baseUrl": base, "resourcePaths": [path], "lambdaConcur": 1}),
    }
    arn = states.start_execution(**start)["executionArn"]
    if images.aws.is_local:
        with pytest.raises(states.exceptions.ExecutionAlreadyExists):
            states.start_execution(**start)
    else:
        assert states.start_execution(**start)["executionArn"] == arn

    assert images.aws.wait_for_end(arn)["status"] == "SUCCEEDED"
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**start)
    if images.aws.is_local:
        assert set(images.server.requests.values()) == {1}


def test_the_same_downloads_twice_at_once_leave_the_same(images: Images) -> None:
    images.server.routes |= folder(12)
    paths = [f"{number:05}.png" for number in range(12)]
    started = [images.post(images.request(paths)).json["executionArn"] for _ in range(2)]

    assert [images.aws.wait_for_end(arn)["status"] for arn in started] == ["SUCCEEDED"] * 2
    assert sorted(images.stored()) == paths
    assert images.object(paths[0])["Body"].read() == PNG


@pytest.mark.load
def test_many_paths(images: Images, size: Size) -> None:
    """Nothing that goes from state to state comes near what Step Functions allows."""
    many = size.paths_of_a_large_run
    images.server.routes |= folder(many - 10)
    paths = [f"{number:05}.png" for number in range(many)]
    ended = images.run(paths, concurrency=16, seconds=120)

    assert (ended["status"], ended["error"]) == ("FAILED", "DownloadsFailedError")
    assert sorted(images.stored()) == paths[:-10]
    assert images.item(paths[-11]) is not None
    assert len(json.loads(images.published(images.server.url)[1])) == 10

    history = images.aws.history(ended["executionArn"])
    outputs = [
        event["stateExitedEventDetails"]["output"]
        for event in history
        if "stateExitedEventDetails" in event
    ]
    # A share of the limit for 2,000 paths: what grows with their number is found here, too.
    assert max(map(len, outputs)) < 32 * 1024 * many / 2000
    # AWS writes up to seven events for a batch, and counts 25,000.
    batches = images.aws.visited(ended["executionArn"]).count("Download Batch")
    assert batches == many / 25


# -- Private addresses -----------------------------------------------------------------------


@pytest.fixture
def strict(images: Images) -> Iterator[str]:
    """downloadBatch as it is in an account, where private addresses are refused: its name."""
    functions = images.aws.client("lambda")
    deployed = functions.get_function(FunctionName=images.aws.function_name("downloadBatch"))
    with urllib.request.urlopen(deployed["Code"]["Location"]) as response:
        code = response.read()
    found, name = deployed["Configuration"], f"strict-{images.server.port}"
    variables = found["Environment"]["Variables"] | {"ALLOW_PRIVATE_HOSTS": "false"}
    functions.create_function(
        FunctionName=name,
        Code={"ZipFile": code},
        Environment={"Variables": variables},
        **{key: found[key] for key in ("Role", "Handler", "Runtime", "Timeout", "MemorySize")},
    )
    yield name
    functions.delete_function(FunctionName=name)


def test_private_addresses_are_refused_in_an_account(images: Images, strict: str) -> None:
    # Given a server on this machine, which is asked for by a name, by addresses, and in disguise
    images.server.routes["/x"] = web.file(PNG)
    hosts = ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254"]
    for number, host in enumerate(hosts):
        plan = {
            "base_url": f"http://{host}:{images.server.port}",
            "resource_paths": ["x"],
            "concurrency": 1,
            "batch_size": 1,
        }
        run = f"strict-{images.server.port}-{number}"
        images.aws.client("s3").put_object(
            Bucket=images.aws.outputs["ImagesRunsBucket"],
            Key=f"{run}/plan.json",
            Body=json.dumps(plan),
        )

        # When its batch is downloaded
        execution = f"arn:aws:states:us-east-1:000000000000:execution:stepworks-local-images:{run}"
        response = images.aws.client("lambda").invoke(
            FunctionName=strict, Payload=json.dumps({"execution": execution, "batch": 0})
        )
        result = json.loads(response["Payload"].read())

        # Then that item has failed, and the server was never asked
        assert (result["succeeded"], result["failed"]) == (0, 1), result
        key = f"{run}/{result['results']}"
        found = images.aws.client("s3").get_object(
            Bucket=images.aws.outputs["ImagesRunsBucket"], Key=key
        )
        (outcome,) = json.load(found["Body"])
        assert outcome["message"].startswith("Not allowed, "), outcome
    assert not images.server.requests
