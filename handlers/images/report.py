"""The report of a run: one outcome for each requested path."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from handlers.images.errors import RunDocumentMissingError
from handlers.images.http_client.errors import DownloadError
from handlers.images.outcome import Outcome, failure, is_success
from handlers.images.plan import Plan
from handlers.images.run import Run, result_name

# The messages go into the execution's state and into one SNS message (at most 262,144 bytes).
MAX_MESSAGES_BYTES = 24 * 1024
_READERS = 16


def consolidate(run: Run, plan: Plan, batches: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """The outcomes of all batches, in the order of the requested paths and with duplicates.

    `batches` is the output of the Map: for each batch {"results": name of its document} or, for a
    failed batch, {"error": name}. If a failed batch has a document, it failed only after all
    downloads, and the document counts. Otherwise all its items count as failed, although some may
    be stored.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        numbered = enumerate(batches)
        outcomes = pool.map(lambda item: _outcomes(run, plan, *item), numbered)
        by_url = {outcome["url"]: outcome for batch in outcomes for outcome in batch}
    return [by_url[url] for url in plan.requested_urls]


def _outcomes(run: Run, plan: Plan, batch: int, result: Mapping[str, Any]) -> list[Outcome]:
    outcomes: list[Outcome]
    if "error" not in result:
        outcomes = run.load(result["results"])
        return outcomes
    with suppress(RunDocumentMissingError):
        outcomes = run.load(result_name(batch))
        return outcomes
    batch_failed = DownloadError(f"Batch failed ({result['error']})")
    return [failure(url, batch_failed) for url in plan.urls_of(batch)]


def summary(outcomes: Sequence[Outcome], report_uri: str) -> dict[str, Any]:
    """The part of a report that is passed from state to state."""
    counts = Counter(map(is_success, outcomes))
    messages = [outcome["message"] for outcome in outcomes if not is_success(outcome)]
    return {
        "requested": len(outcomes),
        "downloaded": counts[True],
        "failed": counts[False],
        "report": report_uri,
        "messages": shortened(messages, report_uri),
    }


def shortened(messages: Iterable[str], report_uri: str) -> list[str]:
    """The messages that fit into MAX_MESSAGES_BYTES, then the number of others and the report."""
    kept: list[str] = []
    remaining = MAX_MESSAGES_BYTES - 400  # for the last message
    omitted = 0
    for message in messages:
        remaining -= len(json.dumps(message)) + 2
        if remaining < 0:
            omitted += 1
        else:
            kept.append(message)
    return [*kept, f"and {omitted:,} more, see {report_uri}"] if omitted else kept
