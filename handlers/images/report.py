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
    lost batch, {"error": name}. If a lost batch has a document, it failed only after all downloads,
    and the document counts. Otherwise all its items count as failed, although some may be stored.
    """
    with ThreadPoolExecutor(_READERS) as pool:
        numbered = enumerate(batches)
        outcomes = pool.map(lambda given: _outcomes(run, plan, *given), numbered)
        by_url = {outcome["url"]: outcome for batch in outcomes for outcome in batch}
    return [by_url[url] for url in plan.requested_urls]


def _outcomes(run: Run, plan: Plan, batch: int, given: Mapping[str, Any]) -> list[Outcome]:
    outcomes: list[Outcome]
    if "error" not in given:
        outcomes = run.load(given["results"])
        return outcomes
    with suppress(RunDocumentMissingError):
        outcomes = run.load(result_name(batch))
        return outcomes
    lost = DownloadError(f"Lost with its batch ({given['error']})")
    return [failure(url, lost) for url in plan.urls_of(batch)]


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
    left = MAX_MESSAGES_BYTES - 400  # for the last message
    more = 0
    for message in messages:
        left -= len(json.dumps(message)) + 2
        if left < 0:
            more += 1
        else:
            kept.append(message)
    return [*kept, f"and {more:,} more, see {report_uri}"] if more else kept
