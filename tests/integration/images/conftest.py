"""Downloads over real sockets, from servers on this machine."""

from handlers.images.connections import Resolver, resolve_any
from handlers.images.fetch import Fetcher, Limits
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients"]

LIMITS = Limits(max_bytes=100_000, connect_seconds=1, read_seconds=0.5)


def fetcher(resolve: Resolver = resolve_any, trusted: str | bool = True) -> Fetcher:
    """A fetcher that may reach this machine, and does not pause between attempts."""
    return Fetcher(resolve, LIMITS, connections=8, pause=lambda _: 0.0, trusted=trusted)
