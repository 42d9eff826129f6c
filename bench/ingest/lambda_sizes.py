"""Which memory size processFile needs: its CPU share is emulated by stopping the process.

Lambda gives a function CPU time in proportion to its memory: one processor at 1,769 MB
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). The function is stopped
and continued by signals, so that it runs for that share of each 20 ms.
"""

import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from bench.ingest.servers import Behaviour

if TYPE_CHECKING:
    from bench.ingest import Bench

SIZES = (256, 512, 1024, 1769)  # MB
FULL_PROCESSOR = 1769
USD_PER_GB_SECOND = 0.0000133334  # arm64, us-east-1, first tier: list price as of 2025
_PERIOD = 0.02


def throttle(pid: int, share: float, done: threading.Event) -> None:
    """Let a process run for a share of the time."""
    if share >= 1:
        return
    try:
        while not done.is_set():
            time.sleep(_PERIOD * share)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(_PERIOD * (1 - share))
            os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def measured(bench: "Bench") -> list[dict[str, Any]]:
    """Time and cost of a million rows, for each memory size."""
    rows = []
    for size in SIZES:
        bench.status(f"Memory size {size} MB …")
        done = threading.Event()

        def run(command: list[str], share: float = size / FULL_PROCESSOR, **options: Any) -> Any:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
            )
            watcher = threading.Thread(target=throttle, args=(process.pid, share, done))  # noqa: B023
            watcher.start()
            output, errors = process.communicate()
            done.set()  # noqa: B023
            watcher.join()
            return subprocess.CompletedProcess(command, process.returncode, output, errors)

        one = bench.measured(
            "process_file", connections=64, behaviour=Behaviour(latency=0.004), runner=run
        )
        seconds = one["seconds"] / one["rows"] * 1e6
        rows.append(
            {
                "memory_mb": size,
                "rows_per_second": round(one["rows_per_second"]),
                "seconds_a_million_rows": round(seconds, 1),
                "usd_a_million_rows": round(seconds * size / 1024 * USD_PER_GB_SECOND, 6),
                "peak_mib": round(one["peak_kib"] / 1024, 1),
            }
        )
    return rows
