"""How many items the load tests send."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """The numbers of `make load`, or the smaller ones of `make test`."""

    messages: int
    documents: int
    deciding_seconds: int
    runs: int


FULL = Size(messages=1000, documents=200, deciding_seconds=60, runs=20)
SMALL = Size(messages=150, documents=20, deciding_seconds=5, runs=2)
