"""A limited number of processes for Lambda functions: further calls wait.

ministack 1.5.33 starts a process for every call that finds none idle, as AWS does. With hundreds of
events at once, hundreds of Python processes start on a laptop's few processors, until tasks time
out and memory runs out. ministack can refuse calls instead, but an event that is refused three
times becomes a dead letter, while AWS would retry it for hours.

So every invocation waits for its turn before ministack counts it as running; see `lambda_queue`.
Then it waits a moment for a busy process of its function: most calls end sooner than a process
starts. ministack gives each invocation a thread of its own (of an execution, a request or an
event), never one of a pool, so a waiting invocation blocks nothing else.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.gaps import task_timeout
from local.gaps.lambda_queue import InvocationQueues

WORKERS = max(4, 2 * (os.cpu_count() or 1))  # for each function
SHARED_WORKERS = 3 * WORKERS  # that run for all functions together, beyond the first of each
# Processes beyond the first of each function, idle ones included; each takes about 35 MB. A file
# of the sensor workflow passes seven functions. With a limit near SHARED_WORKERS, most functions
# found their processes ended when the next files came, and three quarters of the processor time
# went into starting new ones.
KEPT_WORKERS = SHARED_WORKERS + 24
STARTS = max(2, os.cpu_count() or 1)  # processes that may start at the same time
START_SECONDS = 10.0  # if a start takes longer, the next one begins beside it
REUSE_SECONDS = 0.5  # a call waits for a busy process before it starts one, which takes as long

_execute_upstream = lambda_svc._execute_function
_acquire_upstream = lambda_svc.acquire_worker
_release_upstream = lambda_svc.release_worker

_queues = InvocationQueues(SHARED_WORKERS)
_starts = threading.Semaphore(STARTS)
_released = threading.Condition()  # its lock: nobody else takes the process that was waited for


def queue_key(config: dict[str, Any]) -> tuple[str, int]:
    """A function, with all its versions, and the depth of calls from function to function."""
    return lambda_svc._inflight_key(config), lambda_svc._invoke_depth.get()


def execute_function(function: dict[str, Any], event: Any) -> Any:
    """As upstream, but only when it is this invocation's turn."""
    config = function.get("config") or function
    if lambda_svc._function_config_scope_mismatch(config):
        return _execute_upstream(function, event)  # which calls this function again
    # None is no limit. With 0 the function is off, and ministack returns the error.
    reserved = lambda_svc._reserved_concurrency(function, config)
    key = queue_key(config)
    _queues.acquire(key, min(WORKERS, reserved or WORKERS))

    def run() -> Any:
        try:
            return _execute_upstream(function, event)
        finally:
            _queues.release(key)

    return task_timeout.with_timeout(run)


def acquire_worker(
    name: str, config: dict[str, Any], code_zip: bytes, qualifier: str = "$LATEST"
) -> Any:
    key = lambda_runtime._worker_key(name, config, qualifier)
    with _released:
        _released.wait_for(lambda: _has_idle_or_none(key), REUSE_SECONDS)
        worker, reason = _acquire_upstream(name, config, code_zip, qualifier=qualifier)
    if reason == "spawn":
        lambda_runtime.kill_workers(_surplus(KEPT_WORKERS))
    elif worker is not None and worker._proc is not None and worker._proc.poll() is None:
        task_timeout.started()
    return worker, reason


def _has_idle_or_none(key: str) -> bool:
    """Whether a function has an idle process, or no process at all."""
    with lambda_runtime._lock:
        pool = lambda_runtime._workers.get(key, [])
        return not pool or any(not worker.in_use for worker in pool)


def release_worker(worker: Any) -> None:
    _release_upstream(worker)
    with _released:
        _released.notify_all()


def limit_starts(spawn: Callable[[Any], None]) -> Callable[[Any], None]:
    """Start a worker's process when fewer than STARTS others are starting."""

    def spawn_when_free(worker: Any) -> None:
        _starts.acquire()
        released = threading.Lock()

        def release() -> None:
            if released.acquire(blocking=False):  # only once
                _starts.release()

        # A function with a slow import must not keep the others from starting.
        timer = threading.Timer(START_SECONDS, release)
        timer.daemon = True
        timer.start()
        try:
            spawn(worker)
        finally:
            timer.cancel()
            release()
        task_timeout.started()

    return spawn_when_free


def _surplus(limit: int) -> list[Any]:
    """Remove surplus idle workers from their pools, beyond the first of each, and return them."""
    with lambda_runtime._lock:
        pools = [pool for pool in lambda_runtime._workers.values() if len(pool) > 1]
        excess = sum(len(pool) - 1 for pool in pools) - limit
        idle = [(worker, pool) for pool in pools for worker in pool[1:] if not worker.in_use]
        idle.sort(key=lambda found: found[0].last_used)
        taken = idle[: max(0, excess)]
        for worker, pool in taken:
            pool.remove(worker)
    return [worker for worker, _ in taken]


def install() -> None:
    lambda_svc._execute_function = execute_function
    lambda_svc.acquire_worker = acquire_worker
    lambda_svc.release_worker = release_worker
    lambda_runtime.Worker._spawn = limit_starts(lambda_runtime.Worker._spawn)
