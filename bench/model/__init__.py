"""A model of the sensor workflow on AWS: how long a file takes, and what that costs.

docs/scaling.md explains it. `python -m bench model` measures what it can on this machine and prints
the tables; `python -m bench.model --help` computes one case.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil
from time import process_time
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.model.prices import PRICES
from handlers.sensor.lines import numbered_blocks
from handlers.sensor.plan import MAX_PARTITIONS, SEGMENTS_PER_PARTITION
from handlers.sensor.readings import BlockParser
from handlers.sensor.row_index import RECORD, PartitionIndex, RowIndex
from handlers.sensor.segments import MAX_SEGMENTS

TITLE = "model: time and cost of the sensor workflow on AWS"

KB, MB, GB, TB = 10**3, 10**6, 10**9, 10**12
MIB = 1024 * 1024
MEMORY_GB = 1769 / 1024  # of the functions that process rows: one vCPU
START_SECONDS = 1.0  # to start a child execution and its function, and to end them
REQUEST_SECONDS = 0.015  # of a small request to S3
MAX_PARALLEL = 16  # requests of a function (handlers.sensor.parallel)
FUNCTION_SECONDS = 900 * 2 / 3  # after which processSegment returns and is called again


@dataclass(frozen=True)
class Rates:
    """Rows per second of CPU."""

    index: float
    reconcile: float
    store: float = 200_000  # all of processFile: `python -m bench ingest`


REFERENCE = Rates(index=800_000, reconcile=1_900_000)  # those of the tables in docs/scaling.md


@dataclass(frozen=True)
class Case:
    """What is processed, and with what."""

    size: float  # bytes
    wcu: float = 4_000  # rows per second that the table accepts; a new on-demand table: 4,000
    concurrency: int = 10
    row_bytes: float = 30
    replaced: float = 0.0  # share of rows that a later row replaces
    sensors: int = 1_000
    segment_bytes: float = 32 * MIB
    large_file_bytes: float = 64 * MIB

    @property
    def rows(self) -> float:
        return self.size / self.row_bytes

    @property
    def writes(self) -> float:
        return self.rows * (1 - self.replaced)

    @property
    def writes_per_second(self) -> float:
        """What the table accepts: DynamoDB limits each partition to 1,000 WCU, too.

        A sensor's readings are in one partition until DynamoDB has split it.
        """
        return min(self.wcu, 1_000 * self.sensors)

    @property
    def segmented(self) -> bool:
        return self.size > self.large_file_bytes

    @property
    def segments(self) -> int:
        return min(MAX_SEGMENTS, ceil(self.size / self.segment_bytes))

    @property
    def partitions(self) -> int:
        return min(MAX_PARTITIONS, ceil(self.size / self.segment_bytes / SEGMENTS_PER_PARTITION))


@dataclass
class Estimate:
    """Seconds of each phase, and USD of each item."""

    seconds: dict[str, float]
    cost: dict[str, float]

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def total_cost(self) -> float:
        return sum(self.cost.values())


def estimate(case: Case, rates: Rates) -> Estimate:
    """How long a case takes and what it costs, without the free tiers and without storage."""
    if not case.segmented:
        store = max(case.rows / rates.store, case.writes / case.writes_per_second)
        seconds = {"Plan Ingestion": START_SECONDS, "Process File": START_SECONDS + store}
        transitions, calls, gets, puts = 6.0, 4.0, 2.0, 1.0
        billed = START_SECONDS + store
    else:
        at_once = min(case.concurrency, case.segments)
        partitions_at_once = min(case.concurrency, case.partitions)
        index = phase(case.segments, at_once, case.rows / rates.index)
        lookups = 2.0 * case.segments * case.partitions
        reconcile = phase(
            case.partitions,
            partitions_at_once,
            case.rows / rates.reconcile + lookups * REQUEST_SECONDS / MAX_PARALLEL,
        )
        process = max(
            phase(case.segments, at_once, case.rows / rates.store),
            case.writes / case.writes_per_second,
        )
        seconds = {
            "Plan Ingestion": START_SECONDS,
            "Index Segments": index,
            "Reconcile Duplicates": reconcile,
            "Process Segments": process,
            "Summarise": START_SECONDS
            + (case.segments + case.partitions) * REQUEST_SECONDS / MAX_PARALLEL,
        }
        # A function that waits for write capacity is billed, too.
        billed = index * at_once + reconcile * partitions_at_once + process * at_once
        rounds = max(1, ceil(process * at_once / case.segments / FUNCTION_SECONDS))
        transitions = 10.0 + 2 * case.segments + 2 * case.partitions
        transitions += case.segments * (2 + 2 * rounds)
        calls = 5.0 + case.segments * (1 + rounds) + case.partitions
        gets = lookups + case.segments * (3 + rounds) + case.partitions
        puts = 2.0 + case.segments * 5 + case.partitions
    return Estimate(
        seconds,
        {
            "DynamoDB writes": case.writes * PRICES["write request unit"],
            "Lambda GB-seconds": billed * MEMORY_GB * PRICES["Lambda GB-second"],
            "Lambda requests": calls * PRICES["Lambda request"],
            "Step Functions transitions": transitions * PRICES["state transition"],
            "S3 GET": gets * PRICES["S3 GET"],
            "S3 PUT and LIST": puts * PRICES["S3 PUT"],
        },
    )


def phase(items: int, at_once: int, cpu_seconds: float) -> float:
    """Seconds of a distributed Map, whose children have one vCPU each."""
    return (cpu_seconds + items * START_SECONDS) / at_once


def import_cost(case: Case) -> float:
    """What DynamoDB's own import from S3 costs, in USD."""
    return case.size / 1024**3 * PRICES["import of a GB"]


CASES = {  # the write capacity is what the table must have been given before
    "10 MB": Case(10 * MB),
    "1 GB": Case(1 * GB),
    "1 GB, 40,000 WCU": Case(1 * GB, wcu=40_000),
    "100 GB, 40,000 WCU": Case(100 * GB, wcu=40_000, concurrency=10),
    "100 GB, 400,000 WCU": Case(100 * GB, wcu=400_000, concurrency=50),
    "10 TB, 400,000 WCU": Case(10 * TB, wcu=400_000, concurrency=50, sensors=100_000),
}


def measured_rates(rows: int) -> Rates:
    """The rates of this machine, for rows of 30 bytes."""
    content = b"".join(
        b"sensor-%04d,%d,%d.25\n" % (n % 500, 1_483_906_366 + n // 500, n % 90) for n in range(rows)
    )
    parser = BlockParser(has_header=False)
    with closing(RowIndex(1)) as index, closing(PartitionIndex()) as partition:
        started = process_time()
        for number, block in numbered_blocks([content]):
            parsed = parser.parse(block)
            index.add(parsed.rows, [number + place for place in parsed.places])
        indexed = process_time()
        records = b"".join(list(index.parts())[1:])
        partition.add(0, records)
        partition.replaced()
        reconciled = process_time()
    assert len(records) // RECORD >= rows
    return Rates(rows / (indexed - started), rows / (reconciled - indexed))


def run(console: Console, *, quick: bool) -> dict[str, Any]:
    rates = measured_rates(50_000 if quick else 500_000)
    console.print(
        f"Rows per CPU-second here: index {rates.index:,.0f}, reconcile {rates.reconcile:,.0f}. "
        f"Assumed: store {rates.store:,.0f}."
    )
    estimates = {name: estimate(case, rates) for name, case in CASES.items()}
    console.print(time_table(estimates))
    console.print(cost_table(estimates))
    return {
        "rates": vars(rates),
        "prices": PRICES,
        "cases": {
            name: {"seconds": one.seconds, "usd": one.cost, "import usd": import_cost(CASES[name])}
            for name, one in estimates.items()
        },
    }


def time_table(estimates: dict[str, Estimate]) -> Table:
    table = Table("file", "rows", "segments", "partitions", "time", "of it storing", box=box.SIMPLE)
    for name, one in estimates.items():
        case = CASES[name]
        parts = [f"{case.segments:,}", f"{case.partitions:,}"] if case.segmented else ["–", "–"]
        storing = one.seconds.get("Process Segments") or one.seconds["Process File"]
        times = [duration(one.total_seconds), duration(storing)]
        table.add_row(name, amount(case.rows), *parts, *times)
    return table


def cost_table(estimates: dict[str, Estimate]) -> Table:
    items = list(next(iter(estimates.values())).cost)
    table = Table("USD", *items, "sum", "import", box=box.SIMPLE)
    for name, one in estimates.items():
        cells = [dollars(value) for value in (*one.cost.values(), one.total_cost)]
        table.add_row(name, *cells, dollars(import_cost(CASES[name])))
    return table


def amount(number: float) -> str:
    return next(_scaled(number, ((1e9, " G"), (1e6, " M"), (1e3, " k"), (1, ""))))


def duration(seconds: float) -> str:
    return next(_scaled(seconds, ((86_400, " days"), (3_600, " h"), (60, " min"), (0, " s"))))


def dollars(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.01 else f"{value:.4f}"


def _scaled(number: float, units: tuple[tuple[float, str], ...]) -> Iterator[str]:
    for size, unit in units:
        if number >= size:
            yield f"{number / (size or 1):.3g}{unit}"


def with_options(case: Case, **options: float | None) -> Case:
    """The case with the options that are given."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return replace(case, **given)
