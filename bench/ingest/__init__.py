"""A file of readings into DynamoDB: one Lambda function, compared with common ways.

Ours is the function processFile: it reads the file from S3, parses, checks and counts the rows,
and writes them. The others only write rows that are parsed already. Every measurement is a fresh
process on one processor; the stub of AWS runs on another. The ways are interleaved, and the median
of the rounds counts. After each measurement the stub is asked what it stored: if an acknowledged
row is missing, or has another value, the benchmark fails.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.ingest import data, lambda_sizes
from bench.ingest.certificate import write_certificate
from bench.ingest.environments import python_of
from bench.ingest.servers import TABLE_RATE, Behaviour, Stub, running

TITLE = "ingest: a file of readings into DynamoDB"
OURS = "process_file"
NAMES = {
    "per_row": "Table.put_item per row",
    "batch_writer": "Table.batch_writer",
    "awswrangler": "awswrangler",
    "aiobotocore": "aiobotocore",
    "aiodynamo": "aiodynamo",
    OURS: "processFile, from S3",
}
ROWS = {
    "per_row": 1_000,
    "batch_writer": 10_000,
    "awswrangler": 10_000,
    "aiobotocore": 10_000,
    "aiodynamo": 25_000,
    OURS: 200_000,
}
LATENCY = 0.008
PEERS = Path(__file__).parent / "peers.py"
CEILING = Path(__file__).parent / "ceiling.py"
OUR_SCRIPT = Path(__file__).parent / "process_file.py"
SEGMENT_SCRIPT = Path(__file__).parent / "segment.py"
SEGMENT_FUNCTIONS = {  # in their order
    "index_segment": "indexSegment",
    "reconcile_partition": "reconcilePartition",
    "process_segment": "processSegment",
}
ROOT = Path(__file__).parents[2]
TARGETS = {"batch_writer": 10, "aiodynamo": 1.7, "per_row": 100}  # × in rows per CPU-second


Runner = Callable[..., subprocess.CompletedProcess[str]]


def _run_and_capture(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@dataclass
class Bench:
    """The stub, the files and the processors of one run."""

    stub: Stub
    folder: Path
    cpu: int | None
    rounds: int
    status: Callable[[str], None]

    def file(self, rows: int, order: str = "by time") -> Path:
        path = self.folder / f"{rows}-{order.replace(' ', '-')}.csv"
        if not path.exists():
            data.write_file(path, rows, order)
        return path

    def measured(
        self,
        way: str,
        *,
        rows: int | None = None,
        order: str = "by time",
        connections: int = 1,
        behaviour: Behaviour | None = None,
        tls: bool = False,
        runner: Runner | None = None,
    ) -> dict[str, Any]:
        """One measurement: seconds, CPU-seconds, peak memory, and what the stub has seen."""
        rows = rows or ROWS[way]
        file = self.file(rows, order)
        self.stub.behave(behaviour or Behaviour())
        if way == OURS:
            self.stub.serve_file(file)
            command = [sys.executable, str(OUR_SCRIPT), str(connections)]
        else:
            command = [python_of(way), str(PEERS), way, str(file), str(rows), str(connections)]
        result = self._run(command, way, tls, runner or _run_and_capture)
        stored, expected = self._checked(file, way)
        return result | {
            "rows": rows,
            "distinct": expected,
            "requests": stored["requests"],
            "rows_per_second": rows / result["seconds"],
            "rows_per_cpu_second": rows / result["cpu"],
        }

    def measured_in_segments(self, rows: int, order: str) -> dict[str, dict[str, Any]]:
        """One measurement of each function for a segment: its CPU-seconds and peak memory."""
        file = self.file(rows, order)
        self.stub.behave(Behaviour())
        self.stub.serve_file(file)
        results = {}
        for module, name in SEGMENT_FUNCTIONS.items():
            command = [sys.executable, str(SEGMENT_SCRIPT), module, str(file.stat().st_size)]
            results[name] = self._run(command, name, False, _run_and_capture)
        self._checked(file, "The functions for segments")
        return results

    def _checked(self, file: Path, way: str) -> tuple[dict[str, Any], int]:
        """What the stub has stored, which must be the file's readings, and their number."""
        stored, expected = self.stub.stored(), data.expected(file)
        if stored["digest"] != data.digest(expected.items()):
            raise RuntimeError(
                f"{way} did not store what it acknowledged: {stored['rows']} of {len(expected)} "
                "readings, or other values."
            )
        return stored, len(expected)

    def reachable(self, connections: int, behaviour: Behaviour) -> float:
        """Rows per second of a client without any work of its own."""
        self.stub.behave(behaviour)
        requests = 100 * connections
        command = [sys.executable, str(CEILING), str(connections), str(requests)]
        result = self._run(command, "The ceiling", False, _run_and_capture)
        return requests * 25 / float(result["seconds"])

    def _run(self, command: list[str], way: str, tls: bool, runner: Runner) -> dict[str, Any]:
        url = self.stub.tls_url if tls else self.stub.url
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": self.stub.url,
            "AWS_ENDPOINT_URL_DYNAMODB": url,
            "AWS_CA_BUNDLE": self.stub.certificate,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
        }
        cpus = () if self.cpu is None else (self.cpu,)
        finished = runner(command, env=environment, preexec_fn=partial(_pin, cpus))
        if finished.returncode:
            raise RuntimeError(f"{way} failed:\n{finished.stderr[-3000:]}")
        result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return result


def run(console: Console, *, quick: bool) -> dict[str, Any]:
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    own_cpu, stub_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)
    with console.status("Installing the peers …"):
        for way in NAMES:
            if way != OURS:
                python_of(way)
    with tempfile.TemporaryDirectory(prefix="stepworks-bench-") as folder:
        certificate = Path(folder) / "stub.pem"
        write_certificate(certificate)
        with running(stub_cpu, certificate) as stub, console.status("") as status:
            bench = Bench(stub, Path(folder), own_cpu, 1 if quick else 3, status.update)
            results = {
                "cpu": cpu_time(bench),
                "latency": latency(bench),
                "throttling": throttling(bench, quick=quick),
                "memory": memory(bench, quick=quick),
                "lambda_sizes": lambda_sizes.measured(bench),
            }
    for name, rows in results.items():
        console.print(_table(name, rows))
    return {"rounds": bench.rounds, **results}


def cpu_time(bench: Bench) -> list[dict[str, Any]]:
    """Rows per CPU-second, while the stub responds at once."""
    cases = [(way, False) for way in NAMES] + [("batch_writer", True), (OURS, True)]
    rounds: list[dict[tuple[str, bool], dict[str, Any]]] = []
    for number in range(bench.rounds):
        rounds.append({})
        for way, tls in cases:
            bench.status(f"CPU time, round {number + 1} of {bench.rounds}: {NAMES[way]} …")
            connections = 64 if way == OURS else 16 if way in ("aiobotocore", "aiodynamo") else 1
            rounds[-1][way, tls] = bench.measured(way, connections=connections, tls=tls)
    rows = []
    for way, tls in cases:
        measured = [one[way, tls] for one in rounds]
        base = [one["batch_writer", tls] for one in rounds]
        rows.append(
            {
                "way": NAMES[way] + (", TLS" if tls else ""),
                "rows_per_cpu_second": round(_median(measured, "rows_per_cpu_second")),
                "ratio_to_batch_writer": _ratio(measured, base),
                "peak_mib": round(_median(measured, "peak_kib") / 1024, 1),
            }
            | (
                {f"ratio_to_{way}": _ratio(measured, [one[way, tls] for one in rounds])
                 for way in ("aiodynamo", "per_row")}
                if way == OURS and not tls
                else {}
            )
        )  # fmt: skip
    return rows


def latency(bench: Bench) -> list[dict[str, Any]]:
    """Throughput while every response takes 8 ms, and the share of what is possible.

    `ceiling` is what the latency allows, `reachable` what a client reaches in the same round that
    only repeats one request: on a busy machine, that is less.
    """
    cases = [("aiodynamo", 16), (OURS, 16), (OURS, 64)]
    results: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    slow = Behaviour(latency=LATENCY)
    for _ in range(bench.rounds):
        for way, connections in cases:
            bench.status(f"8 ms latency: {NAMES[way]}, {connections} connections …")
            reachable = bench.reachable(connections, slow)
            one = bench.measured(way, connections=connections, behaviour=slow)
            reachable = (reachable + bench.reachable(connections, slow)) / 2
            one["share"] = one["rows_per_second"] / reachable
            results[way, connections].append(one | {"reachable": reachable})
    return [
        {
            "way": NAMES[way],
            "connections": connections,
            "rows_per_second": round(_median(measured, "rows_per_second")),
            "ceiling": round(connections / LATENCY * 25),
            "reachable": round(_median(measured, "reachable")),
            "share_of_reachable": round(_median(measured, "share"), 3),
        }
        for (way, connections), measured in results.items()
    ]


def throttling(bench: Bench, *, quick: bool) -> list[dict[str, Any]]:
    """A table with a limit of 4,000 writes a second and 1,000 for each key, and faults."""
    rows = []
    count = 24_000 if quick else 60_000
    cases = [("shuffled", 0.0), ("by sensor", 0.0), ("shuffled", 2.0)]
    for order, error_percent in cases:
        bench.status(f"Throttling: {order}, {error_percent:g} % faults …")
        behaviour = Behaviour(latency=0.004, throttles=True, error_percent=error_percent)
        one = bench.measured(OURS, rows=count, order=order, connections=64, behaviour=behaviour)
        fewest = -(-one["distinct"] // 25)
        limit = (one["distinct"] - TABLE_RATE) / TABLE_RATE
        rows.append(
            {
                "order": order,
                "fault_percent": error_percent,
                "rows": count,
                "lost": 0,  # otherwise `measured` has failed
                "requests_to_fewest": round(one["requests"] / fewest, 3),
                "seconds": round(one["seconds"], 2),
                "seconds_to_limit": round(one["seconds"] / limit, 3),
            }
        )
    shuffled = rows[0]["seconds"]
    return [row | {"seconds_to_shuffled": round(row["seconds"] / shuffled, 3)} for row in rows]


def memory(bench: Bench, *, quick: bool) -> list[dict[str, Any]]:
    """Peak memory over the bare interpreter's, for files in any order."""
    bare = _bare_kib()
    size = 200_000 if quick else 500_000
    cases = [*((order, size) for order in data.ORDERS), ("shuffled", 2 * size)]
    rows = []
    for order, count in cases:
        bench.status(f"Memory: {count:,} rows {order} …")
        measured = {"processFile": bench.measured(OURS, rows=count, order=order, connections=64)}
        measured |= bench.measured_in_segments(count, order)
        rows += [
            {
                "function": function,
                "order": order,
                "rows": count,
                "peak_mib_over_bare": round((one["peak_kib"] - bare) / 1024, 1),
                "cpu_microseconds_a_row": round(one["cpu"] / count * 1e6, 2),
            }
            for function, one in measured.items()
        ]
    functions = ["processFile", *SEGMENT_FUNCTIONS.values()]
    return sorted(rows, key=lambda row: functions.index(row["function"]))


def _pin(cpus: tuple[int, ...]) -> None:
    if cpus:
        os.sched_setaffinity(0, cpus)


def _bare_kib() -> int:
    code = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    return int(subprocess.check_output([sys.executable, "-c", code]))


def _median(measured: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(one[name] for one in measured))


def _ratio(measured: list[dict[str, Any]], base: list[dict[str, Any]]) -> float:
    """The median of the ratios within each round."""
    name = "rows_per_cpu_second"
    ratios = [one[name] / other[name] for one, other in zip(measured, base, strict=True)]
    return round(float(statistics.median(ratios)), 2)


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(title=name.replace("_", " "), box=box.SIMPLE, title_justify="left")
    for column in columns:
        text = isinstance(rows[0].get(column), str)
        table.add_column(column.replace("_", " "), justify="left" if text else "right")
    for row in rows:
        table.add_row(*(_cell(row.get(column, "")) for column in columns))
    return table


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
