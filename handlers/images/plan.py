"""The plan of a run: which paths belong to which batch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from handlers.images.request import DownloadRequest
from handlers.images.resource import resource_url

# An inline Map writes at most 30 events for a batch, including all retries, to the execution's
# history, which is limited to 25,000. Its output, about 130 bytes for a batch, stays under 32 KiB.
MAX_BATCHES = 200


@dataclass(frozen=True)
class Plan:
    """A request split into batches: in order, each path once."""

    base_url: str
    resource_paths: tuple[str, ...]
    concurrency: int
    batch_size: int

    @classmethod
    def for_request(cls, request: DownloadRequest, batch_size: int) -> Self:
        """Batches of `batch_size`, or larger if there would be more than MAX_BATCHES of them."""
        distinct = len(set(request.resource_paths))
        needed = -(-distinct // MAX_BATCHES)
        return cls(
            request.base_url,
            request.resource_paths,
            request.concurrency,
            max(batch_size, needed),
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{**document, "resource_paths": tuple(document["resource_paths"])})

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @cached_property
    def distinct_paths(self) -> list[str]:
        return list(dict.fromkeys(self.resource_paths))

    @property
    def batches(self) -> range:
        return range(-(-len(self.distinct_paths) // self.batch_size))

    def urls_of(self, batch: int) -> list[str]:
        start = batch * self.batch_size
        paths = self.distinct_paths[start : start + self.batch_size]
        return [resource_url(self.base_url, path) for path in paths]

    @property
    def requested_urls(self) -> list[str]:
        """All URLs as requested: in order and with duplicates."""
        return [resource_url(self.base_url, path) for path in self.resource_paths]
