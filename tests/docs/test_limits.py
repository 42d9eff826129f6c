"""Limits that documents name are those of the code."""

from handlers.images.plan import MAX_BATCHES
from tests.docs.pages import page
from tests.support import asl

HISTORY_EVENTS = 25_000  # of an execution; Step Functions fails it beyond


def test_a_run_of_images_fits_into_a_history() -> None:
    (download_map,) = [state for state in asl.states("images") if state.kind == "Map"]
    scope = asl.nested_machines(download_map.body)[0]["States"]
    retries = sum(rule["MaxAttempts"] for rule in scope["Download Batch"]["Retry"])
    # Iteration started and succeeded, task entered and exited, Pass after the Catch likewise; each
    # attempt is scheduled, started and failed.
    events = 2 + 2 + 2 + 3 * (1 + retries)
    written = " ".join(page("docs/decisions/0020-runs-in-s3.md").split())

    assert MAX_BATCHES * events < HISTORY_EVENTS / 2
    assert f"{events} for one that is retried {WORDS[retries]} times and then lost" in written
    assert f"at most {MAX_BATCHES * events:,} for {MAX_BATCHES}" in written
    assert f"at most {events} events for a batch" in page("handlers/images/plan.py")


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def test_operations_names_the_maximum_number_of_batches() -> None:
    written = " ".join(page("docs/operations.md").split())

    assert f"a run has at most {MAX_BATCHES} batches" in written
