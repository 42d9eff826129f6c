"""The sample events work in the order of the workflow."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from handlers.shared.clients import client
from tests.unit.fakes import FakeContext

from .conftest import World

SAMPLES = Path("events/sensor")


def invoke(name: str, context: FakeContext) -> Any:
    """What `serverless invoke local -p events/sensor/<name>.json` does."""
    module = importlib.import_module(f"handlers.sensor.{name.replace('-', '_')}")
    return module.handler(json.loads((SAMPLES / f"{name}.json").read_text()), context)


@pytest.fixture
def uploaded(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The sample file, in buckets with the names that the sample events use."""
    source = json.loads((SAMPLES / "process-file.json").read_text())["source"]
    moved = json.loads((SAMPLES / "send-email.json").read_text())["moved"]
    for bucket in (source["bucketName"], moved["bucketName"]):
        world.s3.create_bucket(Bucket=bucket)
    monkeypatch.setenv("TARGET_BUCKET", moved["bucketName"])
    content = (SAMPLES / "sensor_sample.csv").read_bytes()
    world.s3.put_object(Bucket=source["bucketName"], Key=source["objectKey"], Body=content)
    return world


def test_the_samples_of_a_valid_file(uploaded: World, context: FakeContext) -> None:
    assert len(invoke("execute-workflow", context)["started"]) == 1
    ingestion = invoke("process-file", context)
    moved = invoke("move-file", context)
    assert invoke("send-email", context)["status"] == "sent"

    sample = json.loads((SAMPLES / "send-email.json").read_text())
    assert ingestion | {"seconds": 0} == sample["ingestion"] | {"seconds": 0}
    assert moved == sample["moved"]


def test_the_samples_of_a_file_in_segments(
    uploaded: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the sample file, which is large for this limit
    sample = json.loads((SAMPLES / "summarise.json").read_text())["plan"]
    uploaded.s3.create_bucket(Bucket=sample["bucket"])
    monkeypatch.setenv("WORK_BUCKET", sample["bucket"])
    monkeypatch.setenv("LARGE_FILE_BYTES", "0")
    monkeypatch.setenv("SEGMENT_BYTES", str(sample["size"]))

    # When it is planned, then the plan is that of the samples
    plan = invoke("plan-ingestion", context)
    assert plan | {"plannedAt": sample["plannedAt"]} == sample

    # And the other functions process it
    assert invoke("index-segment", context) == {}
    assert invoke("reconcile-partition", context) == {}
    assert invoke("process-segment", context) == {"complete": True}
    ingestion = invoke("summarise", context)
    assert ingestion | {"seconds": 0} == invoke("process-file", context) | {"seconds": 0}


def test_the_sample_of_a_failed_segment(
    uploaded: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = json.loads((SAMPLES / "find-failed-segment.json").read_text())
    monkeypatch.setattr(client("stepfunctions"), "list_map_runs", lambda **_: {"mapRuns": []})
    assert invoke("find-failed-segment", context) == sample["failure"]


def test_the_samples_of_a_failed_file(uploaded: World, context: FakeContext) -> None:
    quarantine = invoke("quarantine-file", context)
    assert invoke("send-failure-email", context)["status"] == "sent"
    assert quarantine == json.loads((SAMPLES / "send-failure-email.json").read_text())["quarantine"]
