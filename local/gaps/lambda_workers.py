"""No more processes for a function than the machine has use for: further calls wait for a free one.

ministack 1.5.33 starts a process for every call that finds none idle, or refuses calls beyond a
number. Two hundred events at once would be two hundred Pythons starting on a laptop's few
processors, where every one of them then runs into its task's timeout.

AWS would run them side by side. A function that calls itself, however indirectly, would wait for
itself: calls from within a function never wait.
"""

import os
import time
from typing import Any

from ministack.services import lambda_svc

_acquire_upstream = lambda_svc.acquire_worker

WORKERS = max(4, 2 * (os.cpu_count() or 1))  # of a function
PATIENCE_SECONDS = 60.0


def acquire_worker(
    name: str,
    config: dict[str, Any],
    code: bytes,
    qualifier: str = "$LATEST",
    max_concurrency: int | None = None,
) -> Any:
    if max_concurrency is not None or lambda_svc._invoke_depth.get() > 0:
        return _acquire_upstream(name, config, code, qualifier, max_concurrency)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        worker, reason = _acquire_upstream(name, config, code, qualifier, WORKERS)
        if worker is not None:
            return worker, reason
        time.sleep(0.01)
    return _acquire_upstream(name, config, code, qualifier)


def install() -> None:
    lambda_svc.acquire_worker = acquire_worker
