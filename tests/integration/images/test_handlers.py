"""The handlers one after the other, as the machine calls them, on moto's S3 and DynamoDB."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from moto import mock_aws

from handlers.images import batch_resources, consolidate, download_batch, record_downloads
from handlers.images.errors import InvalidDownloadRequestError, RunDocumentMissingError
from handlers.images.http_client.fetch import Fetcher
from handlers.images.image_store import ImageStore, StoredImage
from handlers.shared.errors import ConfigurationError, InvalidEventError
from tests.support import web
from tests.support.aws_clients import aws_client
from tests.support.web import Web
from tests.unit.fakes import FakeContext

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-images:run-1"
RUNS, IMAGES, TABLE = "runs", "images", "images"
PNG = b"\x89PNG"


class MotoStore(ImageStore):
    """Puts by boto3, which moto understands; the rest is the real one."""

    def put(self, key: str, body: Any, **described: Any) -> StoredImage:
        aws_client("s3").put_object(
            Bucket=IMAGES, Key=key, Body=body, Metadata={"run": self._run}, ContentType="image/png"
        )
        return StoredImage(key, described["size"], "image/png", "2026-11-21T10:00:00Z")


@dataclass
class World:
    """What is in AWS, and a way through the machine."""

    s3: Any
    dynamodb: Any
    server: Web
    context: FakeContext

    def run(self, paths: list[str], failed_batch: int | None = None) -> dict[str, Any]:
        """The result of Consolidate; the batch with that number fails."""
        plan = self.planned(paths)
        batches = [
            {"error": "Sandbox.Timedout"} if batch == failed_batch else self.batch(batch)
            for batch in plan["batches"]
        ]
        return consolidate.handler({"execution": EXECUTION, "batches": batches}, self.context)

    def planned(self, paths: list[str]) -> dict[str, Any]:
        request = {"baseUrl": self.server.url, "resourcePaths": paths, "lambdaConcur": 4}
        return batch_resources.handler({"execution": EXECUTION, "request": request}, self.context)

    def batch(self, number: int) -> dict[str, Any]:
        return download_batch.handler({"execution": EXECUTION, "batch": number}, self.context)

    def record(self) -> dict[str, Any]:
        return record_downloads.handler({"execution": EXECUTION}, self.context)

    def document(self, name: str) -> Any:
        return json.load(self.s3.get_object(Bucket=RUNS, Key=f"run-1/{name}")["Body"])

    def images(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=IMAGES).get("Contents", [])
        return [item["Key"].partition("/")[2] for item in listed]

    def items(self) -> dict[str, Any]:
        return {item["url"]["S"]: item for item in self.dynamodb.scan(TableName=TABLE)["Items"]}


@pytest.fixture
def world(
    monkeypatch: pytest.MonkeyPatch,
    fresh_clients: None,
    brief_silence: None,
    context: FakeContext,
) -> Iterator[World]:
    routes = {f"/{number}.png": web.file(PNG) for number in range(20)}
    with mock_aws(), web.serve(routes) as server:
        s3, dynamodb = map(aws_client, ("s3", "dynamodb"))
        for bucket in (RUNS, IMAGES):
            s3.create_bucket(Bucket=bucket)
        dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "url", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "url", "KeyType": "HASH"}],
        )
        for name, value in {
            "RUNS_BUCKET": RUNS,
            "IMAGES_BUCKET": IMAGES,
            "IMAGES_TABLE": TABLE,
            "BATCH_SIZE": "5",
            "MAX_BYTES": "1000000",
            "READ_SECONDS": "1",
            "ITEM_SECONDS": "5",
            "ALLOW_PRIVATE_HOSTS": "true",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(download_batch, "ImageStore", MotoStore)
        monkeypatch.setattr(download_batch, "Fetcher", partial(Fetcher, backoff=lambda _: 0.0))
        yield World(s3, dynamodb, server, context)


def paths(count: int) -> list[str]:
    return [f"{number}.png" for number in range(count)]


def test_a_whole_run(world: World) -> None:
    summary = world.run(paths(12))
    recorded = world.record()

    assert summary == {
        "requested": 12,
        "downloaded": 12,
        "failed": 0,
        "report": "s3://runs/run-1/report.json",
        "messages": [],
    }
    assert recorded == {"images": 12}
    assert sorted(world.images()) == sorted(paths(12))
    assert set(world.items()) == {f"{world.server.url}/{path}" for path in paths(12)}
    assert world.items()[f"{world.server.url}/3.png"]["bytes"] == {"N": "4"}


def test_only_numbers_and_names_pass_between_states(world: World) -> None:
    plan = world.planned(paths(12))

    assert plan == {"requested": 12, "distinct": 12, "batchSize": 5, "batches": [0, 1, 2]}
    assert world.batch(1) == {"results": "results/1.json", "succeeded": 5, "failed": 0}


def test_successes_are_recorded_even_when_others_failed(world: World) -> None:
    summary = world.run(["0.png", "missing.png", "1.png"])
    world.record()

    assert (summary["downloaded"], summary["failed"]) == (2, 1)
    assert summary["messages"] == [f"Could not find: {world.server.url}/missing.png"]
    assert set(world.items()) == {f"{world.server.url}/{path}" for path in paths(2)}


def test_duplicates_are_downloaded_once_and_reported_for_each(world: World) -> None:
    summary = world.run(["0.png", "gone", "0.png", "gone", "0.png"])

    assert world.server.requests == {"/0.png": 1, "/gone": 1}
    assert (summary["requested"], summary["downloaded"], summary["failed"]) == (5, 3, 2)
    assert [item["statusCode"] for item in world.document("report.json")] == [
        *(200, 404, 200, 404, 200),
    ]
    assert world.record() == {"images": 1}


def test_a_failed_batch_is_reported_and_the_others_are_recorded(world: World) -> None:
    summary = world.run(paths(12), failed_batch=1)

    assert (summary["downloaded"], summary["failed"]) == (7, 5)
    assert summary["messages"][0] == (f"Batch failed (Sandbox.Timedout): {world.server.url}/5.png")
    assert world.record() == {"images": 7}


def test_a_batch_that_failed_after_its_last_step_is_reported_as_it_was(world: World) -> None:
    """Killed after its results were written: the report says what is in the bucket."""
    plan = world.planned(["0.png", "missing.png"])
    world.batch(plan["batches"][0])

    lost = [{"error": "Runtime.OutOfMemory"}]
    event = {"execution": EXECUTION, "batches": lost}
    summary = consolidate.handler(event, world.context)

    assert (summary["downloaded"], summary["failed"]) == (1, 1)
    assert summary["messages"] == [f"Could not find: {world.server.url}/missing.png"]
    assert world.images() == ["0.png"]
    assert world.record() == {"images": 1}


FAULTS: dict[str, web.Route] = {
    "not there": web.status(404),
    "broken": web.status(500),
    "cut off": web.stops_after(100, PNG),
    "more than declared": web.status(200, PNG + b"more", Content_Length=len(PNG)),
    "too large": web.status(200, b"", Content_Length=100_000_000),
    "reset": web.resets,
    "redirected to nowhere": web.redirect("file:///etc/passwd"),
}


def test_the_report_agrees_with_the_bucket_and_the_table(world: World) -> None:
    for number, route in enumerate(FAULTS.values()):
        world.server.routes[f"/fault{number}"] = route
    faults = [f"fault{number}" for number in range(len(FAULTS))]
    summary = world.run(["0.png", *faults, "1.png", *faults])
    world.record()

    outcomes = world.document("report.json")
    reported = {item["url"].rpartition("/")[2] for item in outcomes if "filename" in item}
    assert reported == set(world.images()) == {"0.png", "1.png"}
    assert set(world.items()) == {item["url"] for item in outcomes if "filename" in item}
    assert (summary["downloaded"], summary["failed"]) == (2, 2 * len(FAULTS))
    assert summary["messages"] == [item["message"] for item in outcomes if "message" in item]


def test_a_batch_that_is_repeated_downloads_only_what_is_missing(world: World) -> None:
    # Given a batch that was killed when it had stored the first and the third image
    world.planned(paths(5))
    world.batch(0)
    for path in ("1.png", "3.png", "4.png"):
        world.s3.delete_object(Bucket=IMAGES, Key=f"127.0.0.1:{world.server.port}/{path}")
    world.s3.delete_object(Bucket=RUNS, Key="run-1/results/0.json")
    world.server.requests.clear()

    # When it is tried again
    result = world.batch(0)

    # Then the others are fetched, and all are in the result
    assert set(world.server.requests) == {"/1.png", "/3.png", "/4.png"}
    assert result["succeeded"] == 5
    assert {item["bytes"] for item in world.document("results/0.json")} == {4}


def test_an_image_of_another_run_is_downloaded_again(world: World) -> None:
    # Given a batch that was begun, and an older image under the key of its first
    world.planned(paths(2))
    download_batch.Run.of_event({"execution": EXECUTION}).mark_begun("batch-0")
    key = f"127.0.0.1:{world.server.port}/0.png"
    world.s3.put_object(Bucket=IMAGES, Key=key, Body=b"old", Metadata={"run": "run-0"})

    world.batch(0)

    assert world.s3.get_object(Bucket=IMAGES, Key=key)["Body"].read() == PNG


def test_a_repeated_run_changes_nothing(world: World) -> None:
    first, second = world.run(paths(7)), world.run(paths(7))
    world.record()
    world.record()

    assert first == second
    assert len(world.items()) == 7
    assert set(world.server.requests.values()) == {1}


def test_ten_thousand_paths_stay_small_between_states(world: World) -> None:
    plan = world.planned([f"folder/{number:05}.png" for number in range(10_000)])

    assert plan["batches"] == list(range(200))
    assert plan["batchSize"] == 50
    assert len(json.dumps(plan)) < 2000


def test_private_addresses_are_refused_unless_the_stage_allows_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "false")
    summary = world.run(["0.png"])

    assert summary["failed"] == 1
    assert summary["messages"][0].startswith("Not allowed, 127.0.0.1 is not a public host")
    assert not world.server.requests


@pytest.mark.parametrize("value", ["no", "yes", "True", "1"])
def test_only_true_allows_private_addresses(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", value)

    with pytest.raises(ConfigurationError, match="ALLOW_PRIVATE_HOSTS"):
        world.run(["0.png"])
    assert not world.server.requests


def test_a_batch_out_of_time_still_returns_its_results(world: World) -> None:
    world.context.remaining_ms = 100
    world.server.routes["/slow"] = web.drips
    world.planned(["slow"])

    assert world.batch(0) == {"results": "results/0.json", "succeeded": 0, "failed": 1}


def test_an_invalid_request_is_refused_with_the_reason(world: World) -> None:
    with pytest.raises(InvalidDownloadRequestError, match="must be a path relative"):
        world.planned(["/etc/passwd"])


@pytest.mark.parametrize(
    "handler",
    [module.handler for module in (batch_resources, download_batch, consolidate, record_downloads)],
    ids=["batchResources", "downloadBatch", "consolidate", "recordDownloads"],
)
def test_an_event_without_an_execution_is_refused(world: World, handler: Any) -> None:
    with pytest.raises(InvalidEventError):
        handler({}, world.context)


def test_a_missing_plan_is_an_error(world: World) -> None:
    with pytest.raises(RunDocumentMissingError, match=r"s3://runs/run-1/plan\.json"):
        world.batch(0)
