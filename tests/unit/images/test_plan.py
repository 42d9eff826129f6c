"""How a request becomes batches."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.images.plan import MAX_BATCHES, Plan
from handlers.images.request import DownloadRequest


def plan(paths: list[str], size: int = 5) -> Plan:
    return Plan.for_request(DownloadRequest("https://x", tuple(paths), 3), size)


def names(count: int) -> list[str]:
    return [f"{number}.gif" for number in range(count)]


@pytest.mark.parametrize(
    ("paths", "batches", "size"),
    [
        *((1, 1, 5), (5, 1, 5), (6, 2, 5), (999, 200, 5), (1000, 200, 5), (1001, 167, 6)),
        *((2000, 200, 10), (10_000, 200, 50)),
    ],
)
def test_batches_grow_when_there_would_be_too_many(paths: int, batches: int, size: int) -> None:
    planned = plan(names(paths))

    assert (len(planned.batches), planned.batch_size) == (batches, size)


def test_a_larger_size_is_kept() -> None:
    assert plan(names(10_000), size=100).batch_size == 100


@given(st.lists(st.sampled_from(names(40)), min_size=1, max_size=60), st.integers(1, 9))
def test_every_path_is_in_one_batch_in_the_order_of_the_request(
    paths: list[str], size: int
) -> None:
    planned = plan(paths, size)
    downloaded = [url for batch in planned.batches for url in planned.urls_of(batch)]

    assert downloaded == [f"https://x/{path}" for path in dict.fromkeys(paths)]
    assert all(1 <= len(planned.urls_of(batch)) <= size for batch in planned.batches)
    assert planned.requested_urls == [f"https://x/{path}" for path in paths]


def test_a_plan_comes_back_from_s3_as_it_was() -> None:
    planned = plan(["ä", "b", "ä"])

    assert Plan.from_document(json.loads(json.dumps(planned.as_document()))) == planned


def test_events_of_the_largest_run_fit_into_a_history() -> None:
    """Step Functions: 25,000 events. A batch that is retried seven times and lost has the most:
    iteration started and ended, entered and exited twice, three events an attempt."""
    assert MAX_BATCHES * (2 + 4 + 3 * 8) + 100 < 25_000
