"""Time on the processor: what a process costs, however busy the machine is with others."""

import json
import time
from pathlib import Path

REFERENCE = 0.0173  # seconds of `_work` on the machine for which the budgets are meant


def used(pid: int) -> float:
    """Milliseconds that the threads of a process have been on a processor so far (Linux)."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:  # the thread has ended
            continue
    return total / 1e6


def slowness() -> float:
    """How many times slower this machine works now than the one the budgets are meant for."""
    return max(1.0, min(_work() for _ in range(3)) / REFERENCE)


def contention() -> float:
    """How many times longer work takes by the clock, because of what else the machine does."""
    began, cost = time.monotonic(), sum(_work() for _ in range(10))
    return max(1.0, (time.monotonic() - began) / cost)


def _work() -> float:
    began = time.process_time()
    value = {"a": [{"n": number, "text": "x" * 20} for number in range(200)]}
    for _ in range(100):
        json.loads(json.dumps(value))
        sorted(str(number) for number in range(300))
    return time.process_time() - began
