"""Downloads a batch of resources in parallel, each with its own outcome."""

import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import IO

from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import Fetched, Fetcher
from handlers.images.http_client.time_limit import RequestSlot, Watchdog
from handlers.images.image_store import ImageStore, StoredImage
from handlers.images.outcome import Outcome, failure, success
from handlers.images.resource import resource
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for

logger = logger_for("images")

# Images up to this size stay in memory. With 64 concurrent requests they take at most 48 MiB.
_MAX_IN_MEMORY = 256 * 1024
# Workers per open request: while one image is received, others wait until their connection is
# silent (http_client/connections.py) or are being stored in the bucket.
WORKERS_PER_REQUEST = 3


class Downloads:
    """Downloads resources into the store, `concurrency` requests at a time.

    An image is spooled to a temporary file before it is stored. So the bucket never contains a
    partial image, a retry of the PUT needs no second download, and no large image is in memory.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        store: ImageStore,
        *,
        concurrency: int,
        item_seconds: float,
        ends_at: float,
        only_missing: bool = False,
    ) -> None:
        """All downloads end by `ends_at`, a time.monotonic(); one takes at most `item_seconds`.
        With `only_missing`, images that this run has already stored are skipped."""
        self._fetcher = fetcher
        self._store = store
        self._slots = threading.Semaphore(concurrency)
        self._workers = WORKERS_PER_REQUEST * concurrency
        self._item_seconds = item_seconds
        self._ends_at = ends_at
        self._only_missing = only_missing
        self._watchdog = Watchdog()

    def run(self, urls: Sequence[str]) -> list[Outcome]:
        """The outcomes, in the order of the URLs. A failed download does not affect the others."""
        with (
            closing(self._fetcher),
            closing(self._store),
            self._watchdog,
            ThreadPoolExecutor(min(self._workers, len(urls))) as pool,
        ):
            return list(pool.map(self._outcome, urls))

    def _outcome(self, url: str) -> Outcome:
        try:
            return self._download(url)
        except DownloadError as error:
            logger.info("download failed", url=url, reason=error.reason, status=error.status)
            return failure(url, error)
        except Exception as error:  # any error: the other downloads must go on
            logger.exception("download failed", url=url)
            return failure(url, DownloadError(f"Unexpected {type(error).__name__}"))

    def _download(self, url: str) -> Outcome:
        target = resource(url)
        if stored := self._stored_before(target.key):
            return success(url, stored)
        with tempfile.SpooledTemporaryFile(max_size=_MAX_IN_MEMORY) as spool:
            fetched = self._fetch(target.address, spool)
            stored = self._store.put(
                target.key,
                _rewound(spool, fetched.size),
                size=fetched.size,
                content_type=fetched.content_type,
                content_encoding=fetched.content_encoding,
            )
        return success(url, stored)

    def _stored_before(self, key: str) -> StoredImage | None:
        """The image if an earlier attempt has stored it; None also if S3 does not say."""
        if not self._only_missing:
            return None
        try:
            return self._store.find(key)
        except AwsUnavailableError as error:
            logger.info("image is downloaded again", key=key, reason=str(error))
            return None

    def _fetch(self, address: str, spool: IO[bytes]) -> Fetched:
        slot = RequestSlot(self._slots)
        slot.acquire()  # its time limit starts only when it may send a request
        try:
            ends_at = min(self._ends_at, time.monotonic() + self._item_seconds)
            with self._watchdog.limit(ends_at, slot) as limit:
                return self._fetcher.fetch(address, spool, limit)
        finally:
            slot.release()


def _rewound(spool: IO[bytes], size: int) -> IO[bytes] | bytes:
    """A large body as a file, a small one as bytes: those are sent fastest."""
    spool.seek(0)
    return spool.read() if size <= _MAX_IN_MEMORY else spool
