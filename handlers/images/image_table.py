"""Records downloaded images in their table, in batches."""

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

from handlers.images.outcome import Outcome
from handlers.shared.backoff import Backoff, full_jitter
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, translate_aws_errors

_BATCH = 25  # DynamoDB BatchWriteItem: items per request
_ATTEMPTS = 8  # consecutive attempts in which no item was written; about half a minute
BACKOFF = full_jitter(0.1, maximum=10)


def record(table: str, downloads: Iterable[Outcome], *, backoff: Backoff = BACKOFF) -> int:
    """Write an item for each image, with its URL as the key; returns the number of items.

    Safe to repeat: recording the same images again leaves the table unchanged. Raises
    AwsUnavailableError if DynamoDB throttles for too long or does not respond.
    """
    images = iter({download["url"]: download for download in downloads}.values())
    recorded = 0
    while batch := list(islice(images, _BATCH)):
        _write(table, [_put_request(image) for image in batch], backoff)
        recorded += len(batch)
    return recorded


def _write(table: str, remaining: list[dict[str, Any]], backoff: Backoff) -> None:
    attempt = 0
    while remaining:
        if attempt == _ATTEMPTS:
            raise AwsUnavailableError(
                f"DynamoDB wrote no item to {table} in {_ATTEMPTS} attempts: it is throttled."
            )
        if attempt:
            time.sleep(backoff(attempt))
        with translate_aws_errors(f"recording images in {table}"):
            response = client("dynamodb").batch_write_item(RequestItems={table: remaining})
        unprocessed = response.get("UnprocessedItems", {}).get(table, [])
        attempt = attempt + 1 if len(unprocessed) == len(remaining) else 1
        remaining = unprocessed


def _put_request(image: Outcome) -> dict[str, Any]:
    item = {
        "url": {"S": image["url"]},
        "filename": {"S": image["filename"]},
        "bytes": {"N": str(image["bytes"])},
        "contentType": {"S": image["contentType"]},
        "downloadedAt": {"S": image["downloadedAt"]},
    }
    return {"PutRequest": {"Item": item}}
