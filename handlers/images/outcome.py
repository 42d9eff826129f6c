"""The outcome of one resource: an item of a batch's result and of the run's report."""

from typing import TYPE_CHECKING, Any

from handlers.images.http_client.errors import DownloadError

if TYPE_CHECKING:  # the functions that only read outcomes store no image
    from handlers.images.image_store import StoredImage

Outcome = dict[str, Any]


def success(url: str, stored: "StoredImage") -> Outcome:
    return {
        "url": url,
        "statusCode": 200,
        "filename": stored.key,
        "bytes": stored.size,
        "contentType": stored.content_type,
        "downloadedAt": stored.stored_at,
    }


def failure(url: str, error: DownloadError) -> Outcome:
    """`statusCode` is null if no server responded."""
    return {"url": url, "statusCode": error.status, "message": f"{error.reason}: {url}"}


def is_success(outcome: Outcome) -> bool:
    return "filename" in outcome
