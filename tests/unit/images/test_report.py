"""The report of a run, and the summary that is passed on."""

import json
from typing import Any, cast

import pytest

from handlers.images import report
from handlers.images.errors import RunDocumentMissingError
from handlers.images.http_client.errors import DownloadError
from handlers.images.outcome import failure
from handlers.images.plan import Plan
from handlers.images.run import Run, result_name


class FakeRun:
    """The documents of a run, in memory."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents

    def load(self, name: str) -> Any:
        if name not in self.documents:
            raise RunDocumentMissingError(name)
        return self.documents[name]


def ok(path: str) -> dict[str, Any]:
    return {"url": f"https://x/{path}", "statusCode": 200, "filename": f"x/{path}", "bytes": 3}


def missing(path: str) -> dict[str, Any]:
    return failure(f"https://x/{path}", DownloadError("Could not find", status=404))


def consolidated(
    paths: list[str], results: list[list[dict[str, Any]] | str], size: int = 2
) -> list[dict[str, Any]]:
    """The report where each batch has these outcomes or, as a string, this error."""
    plan = Plan("https://x", tuple(paths), 1, size)
    batches = [
        {"error": result} if isinstance(result, str) else {"results": result_name(batch)}
        for batch, result in enumerate(results)
    ]
    documents = {
        result_name(batch): result
        for batch, result in enumerate(results)
        if not isinstance(result, str)
    }
    return report.consolidate(cast(Run, FakeRun(documents)), plan, batches)


def test_outcomes_are_in_the_order_of_the_request() -> None:
    outcomes = consolidated(["c", "a", "b"], [[ok("c"), missing("a")], [ok("b")]])

    assert outcomes == [ok("c"), missing("a"), ok("b")]


def test_a_duplicate_is_reported_as_often_as_it_was_requested() -> None:
    outcomes = consolidated(["a", "b", "a", "b", "a"], [[ok("a"), missing("b")]])

    assert outcomes == [ok("a"), missing("b"), ok("a"), missing("b"), ok("a")]
    assert report.summary(outcomes, "s3://r") == {
        "requested": 5,
        "downloaded": 3,
        "failed": 2,
        "report": "s3://r",
        "messages": ["Could not find: https://x/b"] * 2,
    }


def test_the_items_of_a_failed_batch_have_failed() -> None:
    outcomes = consolidated(["a", "b", "c"], ["Sandbox.Timedout", [ok("c")]])

    assert outcomes[2] == ok("c")
    assert outcomes[0] == {
        "url": "https://x/a",
        "statusCode": None,
        "message": "Batch failed (Sandbox.Timedout): https://x/a",
    }


def test_a_missing_result_stops_the_run() -> None:
    plan = Plan("https://x", ("a",), 1, 1)
    with pytest.raises(RunDocumentMissingError):
        report.consolidate(cast(Run, FakeRun({})), plan, [{"results": "results/0.json"}])


def test_few_messages_are_all_kept() -> None:
    assert report.shortened(["one", "two"], "s3://r") == ["one", "two"]


@pytest.mark.parametrize("message", ["Could not find: https://x/ä", "x" * 3000, '"' * 2000])
def test_many_messages_are_shortened_with_a_count_and_the_report(message: str) -> None:
    uri = "s3://" + "b" * 63 + "/" + "e" * 80 + "/report.json"  # the longest there is
    kept = report.shortened([message] * 10_000, uri)

    assert len(json.dumps(kept)) <= report.MAX_MESSAGES_BYTES
    assert kept[:-1] == [message] * (len(kept) - 1)
    assert kept[-1] == f"and {10_000 - len(kept) + 1:,} more, see {uri}"


def test_the_summary_of_a_run_that_failed_completely_fits_into_a_state() -> None:
    paths = [f"folder/{number}.gif" for number in range(10_000)]
    failed_batches: list[list[dict[str, Any]] | str] = ["Lambda.Unknown"] * 200
    outcomes = consolidated(paths, failed_batches, size=50)

    assert len(json.dumps(report.summary(outcomes, "s3://r"))) < 32 * 1024
