"""Images from a web server into S3: one Lambda's throughput, compared with common ways.

Every server responds after 20 ms. So at a concurrency of c the ceiling is c / (2 × 20 ms) images
per second. Each measurement runs in its own process on one processor, the servers on another. The
ways are interleaved, and the median of the rounds counts.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.images.cases import BATCH_SIZES
from bench.images.servers import LATENCY, running

TITLE = "images: from the web into S3"
WAYS = {
    "one_by_one": "requests.get + put_object, one by one",
    "threads": "requests.get + put_object, threads",
    "session": "requests.Session + put_object, threads",
    "aiohttp": "aiohttp + signed PUT",
    "download_batch": "downloadBatch",
}
IMAGES = {1: 50, 5: 250, 50: 1000}  # by concurrency
BASELINE = "threads"
PUTS = {"put_object": "put_object", "image_store": "downloadBatch's PUT"}
PUT_IMAGES = 3_000
PUT_CONNECTIONS = 50
IN_BATCHES = 200  # images that are downloaded in batches of each size
MEMORY_GB = 1  # of downloadBatch


def run(console: Console, *, quick: bool) -> dict[str, Any]:
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    own_cpu, server_cpu = (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)
    cases = [("one_by_one", 1)] + [
        (way, concurrency) for concurrency in (5, 50) for way in list(WAYS)[1:]
    ]
    measurements: dict[tuple[str, int], list[dict[str, float]]] = {case: [] for case in cases}
    rounds = 1 if quick else 5
    with running(server_cpu) as servers, console.status("") as status:
        for number in range(rounds):
            for way, concurrency in cases:
                status.update(
                    f"Round {number + 1} of {rounds}: {WAYS[way]}, {concurrency} at once …"
                )
                measurements[way, concurrency].append(_measured(way, concurrency, servers, own_cpu))
        status.update("Batches of several sizes …")
        batches = _batch_sizes(
            lambda way, concurrency, images: _measured(way, concurrency, servers, own_cpu, images)
        )
        status.update("The PUT alone …")
        puts = _puts(
            lambda way: _measured(way, PUT_CONNECTIONS, servers, own_cpu, PUT_IMAGES), rounds
        )
    rows = [_row(way, concurrency, measurements[way, concurrency]) for way, concurrency in cases]
    for row in rows:
        base = next(
            other
            for other in rows
            if (other["way"], other["concurrency"]) == (BASELINE, max(row["concurrency"], 5))
        )
        row["ratio"] = row["images_per_second"] / base["images_per_second"]
        row["cpu_ratio"] = row["images_per_cpu_second"] / base["images_per_cpu_second"]
    console.print(_table(rows))
    console.print(_plain_table("downloadBatch by the size of batches", batches))
    console.print(_plain_table(f"PUT alone, {PUT_CONNECTIONS} at once", puts))
    return {
        "latency_seconds": LATENCY,
        "rounds": rounds,
        "baseline": BASELINE,
        "rows": rows,
        "batches": batches,
        "puts": puts,
    }


def _batch_sizes(measured: Callable[[str, int, int], dict[str, float]]) -> list[dict[str, Any]]:
    """One function that downloads the same images in smaller or larger batches."""
    rows = []
    for size in BATCH_SIZES:
        one = measured(f"batches_of_{size}", size, IN_BATCHES)
        rows.append(
            {
                "batch_size": size,
                "images_per_second": round(IN_BATCHES / one["seconds"], 1),
                "images_per_cpu_second": round(IN_BATCHES / one["cpu"], 1),
                "seconds_a_batch": round(one["seconds"] / IN_BATCHES * size, 3),
                "gb_seconds_for_1000": round(one["seconds"] / IN_BATCHES * 1000 * MEMORY_GB, 1),
            }
        )
    return rows


def _puts(measured: Callable[[str], dict[str, float]], rounds: int) -> list[dict[str, Any]]:
    """S3's half of the work alone. The ways are interleaved."""
    measurements: dict[str, list[dict[str, float]]] = {way: [] for way in PUTS}
    for _ in range(rounds):
        for way in PUTS:
            measurements[way].append(measured(way))
    rates = {
        way: statistics.median(PUT_IMAGES / one["seconds"] for one in found)
        for way, found in measurements.items()
    }
    return [
        {
            "way": PUTS[way],
            "images_per_second": round(rates[way], 1),
            "of_ceiling": round(rates[way] / (PUT_CONNECTIONS / LATENCY), 3),
            "× put_object": round(rates[way] / rates["put_object"], 2),
            "images_per_cpu_second": round(
                statistics.median(PUT_IMAGES / one["cpu"] for one in found), 1
            ),
        }
        for way, found in measurements.items()
    ]


def _plain_table(title: str, rows: list[dict[str, Any]]) -> Table:
    headings = [name.replace("_", " ") for name in rows[0]]
    table = Table(*headings, title=title, box=box.SIMPLE)
    for row in rows:
        table.add_row(*map(str, row.values()))
    return table


def _measured(
    way: str,
    concurrency: int,
    servers: tuple[str, str],
    cpu: int | None,
    images: int | None = None,
) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "bench.images.cases",
        way,
        str(concurrency),
        str(images or IMAGES[concurrency]),
        *servers,
    ]
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})  # the child process inherits it
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        if cpu is not None:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if finished.returncode:
        raise RuntimeError(f"{way} at a concurrency of {concurrency} failed:\n{finished.stderr}")
    result: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return result


def _row(way: str, concurrency: int, measurements: list[dict[str, float]]) -> dict[str, Any]:
    rates = [IMAGES[concurrency] / one["seconds"] for one in measurements]
    per_cpu = [IMAGES[concurrency] / one["cpu"] for one in measurements]
    ceiling = concurrency / (2 * LATENCY)
    rate = statistics.median(rates)
    return {
        "way": way,
        "concurrency": concurrency,
        "images": IMAGES[concurrency],
        "images_per_second": round(rate, 1),
        "spread": [round(min(rates), 1), round(max(rates), 1)],
        "images_per_cpu_second": round(statistics.median(per_cpu), 1),
        "ceiling": ceiling,
        "share_of_ceiling": round(rate / ceiling, 3),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("way")
    for heading in ("at once", "images/s", "× threads", "of ceiling", "images/CPU-s", "× threads"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            *(WAYS[row["way"]], str(row["concurrency"]), f"{row['images_per_second']:,.0f}"),
            *(f"{row['ratio']:.2f}", f"{row['share_of_ceiling']:.0%}"),
            *(f"{row['images_per_cpu_second']:,.0f}", f"{row['cpu_ratio']:.2f}"),
            style="bold" if row["way"] == "download_batch" else "",
        )
    return table
