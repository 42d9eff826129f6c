"""How many items the load tests send."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """The numbers of `make load`, or the smaller ones of `make test`."""

    files: int
    messages: int
    documents: int
    deciding_seconds: int
    runs: int
    rows_of_the_large_file: int
    killed: int  # processes that store segments of it
    segments: int  # it has at least so many
    rows_in_a_storm: int


FULL = Size(
    files=1000,
    messages=1000,
    documents=200,
    deciding_seconds=60,
    runs=20,
    rows_of_the_large_file=1_000_000,
    killed=2,
    segments=50,
    rows_in_a_storm=120_000,
)
SMALL = Size(
    files=100,
    messages=150,
    documents=20,
    deciding_seconds=5,
    runs=2,
    rows_of_the_large_file=120_000,
    killed=1,
    segments=6,
    rows_in_a_storm=62_000,
)
