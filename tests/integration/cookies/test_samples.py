"""The sample events work, one after the other, as in the workflow."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cookies.conftest import World
from tests.support import catalogue
from tests.unit.fakes import FakeContext

SAMPLES = Path("events/cookies")
EVENTS = sorted(
    path.stem
    for path in SAMPLES.glob("*.json")
    # These are what a rule's transformer and a queue make of events.
    if path.stem not in ("side-effect", "report-task-failure")
)


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def invoke(name: str, context: FakeContext, **detail: Any) -> None:
    """What `serverless invoke local -p events/cookies/<name>.json` does."""
    event = sample(name)
    event.get("detail", {}).update(detail)
    importlib.import_module(f"handlers.cookies.{name.replace('-', '_')}").handler(event, context)


@pytest.mark.parametrize("name", EVENTS)
def test_a_sample_is_an_event_of_the_catalogue(name: str) -> None:
    event = sample(name)

    catalogue.validate(event["source"], event["detail-type"], event["detail"])


def test_the_samples_work_one_after_the_other(world: World, context: FakeContext) -> None:
    invoke("get-multiple", context)
    invoke("process-single", context)
    url = world.bus.events[-1]["detail"]["profileUrl"]
    invoke("post-process-single", context, profileUrl=url)
    invoke("side-effect", context)
    invoke("post-process-all", context)
    invoke("report-task-failure", context)

    assert [event["detail-type"] for event in world.bus.events] == [
        *("task.finished", "task.process.single.post", "task.finished", "async.complete"),
        *("task.finished", "task.failed"),
    ]
    assert set(world.files()) == {
        f"by-hand/{file}.json"
        for file in ("basic-0-grace-hopper", "final-0-grace-hopper", "0-cookies")
    }
