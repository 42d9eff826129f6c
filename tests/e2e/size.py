"""How many items the tests marked `load` send."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """The numbers of `make load`, or the smaller ones of `make test`."""

    files: int
    messages: int
    documents: int
    deciding_seconds: int
    runs: int
    paths: int  # of a run of downloads
    rows_of_the_large_file: int
    killed: int  # processes that store segments of it
    segments: int  # it has at least so many
    rows_in_a_storm: int
    people: int  # for whom cookies are counted
    paths_of_a_large_run: int
    messages_at_once: int
    segment_bytes: int | None = None  # None: as deployed


FULL = Size(
    files=1000,
    messages=1000,
    documents=200,
    deciding_seconds=60,
    runs=20,
    paths=500,
    rows_of_the_large_file=1_000_000,
    killed=2,
    segments=50,
    rows_in_a_storm=120_000,
    people=200,
    paths_of_a_large_run=2_000,
    messages_at_once=200,
)
# Enough that calls wait for their turn, and segments that are larger than the window of rows in
# which a function looks for duplicates (docs/decisions/0073-only-final-rows-are-written.md).
SMALL = Size(
    files=50,
    messages=75,
    documents=20,
    deciding_seconds=5,
    runs=2,
    paths=250,
    rows_of_the_large_file=120_000,
    killed=1,
    segments=12,
    rows_in_a_storm=27_000,
    people=60,
    paths_of_a_large_run=600,
    messages_at_once=80,
    segment_bytes=300 * 1024,
)
