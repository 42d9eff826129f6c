"""Events arrive in any order: what is recorded of them does not depend on it."""

import itertools
import json

import pytest

from tests.integration.observability.conftest import (
    ARN,
    SECONDS,
    Log,
    context,
    event,
    fresh_clients,
    log,
    status_change,
    without,
)

__all__ = ["context", "fresh_clients", "log"]

pytestmark = pytest.mark.slow
COOKIES = ARN.format("cookies", "one")


@pytest.mark.parametrize("in_a_batch", [1, 2, 3, 4])
def test_the_order_does_not_matter(log: Log, in_a_batch: int) -> None:
    changes = [
        status_change("RUNNING"),
        event("task.finished", {"execution": COOKIES}, seconds=2),
        status_change("FAILED", seconds=3),
        status_change("RUNNING", seconds=4, redriveCount=1, redriveDate=(SECONDS + 4) * 1000),
    ]
    seen = []
    for order in itertools.permutations(changes):
        log.delete_events()
        for start in range(0, len(order), in_a_batch):
            log.track(*order[start : start + in_a_batch])
        seen.append(without(log.items(), "received", "expiration", "recordedAt", "recordedHour"))

    assert all(items == seen[0] for items in seen)
    (job,) = json.loads(log.jobs()["body"])["jobs"]
    assert job["status"] == "RUNNING"
