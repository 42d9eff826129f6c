"""The sample events work, one after the other, as in the workflow."""

import json
from pathlib import Path
from typing import Any

from handlers.images import batch_resources, consolidate, download_batch, record_downloads
from tests.support import web
from tests.support.aws_clients import aws_client

from .test_handlers import RUNS, World, world

__all__ = ["world"]

SAMPLES = Path("events/images")


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return event


def test_the_samples_work_one_after_the_other(world: World) -> None:
    # Given the server that the sample speaks of, at the address it really has here
    world.server.routes |= {"/testing.md": web.file(b"# x"), "/operations.md": web.file(b"# y")}
    planning = sample("batch-resources")
    assert planning["request"] == sample("request")
    planning["request"]["baseUrl"] = world.server.url

    # When each function gets its sample event
    planned = batch_resources.handler(planning, world.context)
    downloaded = download_batch.handler(sample("download-batch"), world.context)
    summary = consolidate.handler(sample("consolidate"), world.context)
    recorded = record_downloads.handler(sample("record-downloads"), world.context)

    # Then each has found what the one before it has left
    assert planned["batches"] == [sample("download-batch")["batch"]]
    assert [downloaded] == sample("consolidate")["batches"]
    assert (summary["requested"], summary["downloaded"], summary["failed"]) == (4, 3, 1)
    assert recorded == {"images": 2}
    keys = aws_client("s3").list_objects_v2(Bucket=RUNS)["Contents"]
    assert {item["Key"].partition("/")[0] for item in keys} == {"sample"}
