"""What a local AWS uses while it works: its processes, memory, threads and sockets."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from local import process
from local.settings import Settings

MB = 1024 * 1024
INTERVAL_SECONDS = 0.5


@dataclass
class Usage:
    """The most that was seen of each, and the server's memory before and after."""

    workers: int = 0
    workers_of_a_function: int = 0
    server_mb: int = 0
    total_mb: int = 0
    threads: int = 0
    close_wait: int = 0
    before_mb: int = 0
    after_mb: int = 0

    def add(self, server: psutil.Process) -> None:
        workers = server.children()
        own = server.memory_info().rss
        total = own + sum(memory for worker in workers if (memory := _memory(worker)))
        waiting = [c for c in server.net_connections("tcp") if c.status == psutil.CONN_CLOSE_WAIT]
        functions = Counter(map(_function, workers))
        self.workers = max(self.workers, len(workers))
        self.workers_of_a_function = max([self.workers_of_a_function, *functions.values()])
        self.server_mb = max(self.server_mb, own // MB)
        self.total_mb = max(self.total_mb, total // MB)
        self.threads = max(self.threads, server.num_threads())
        self.close_wait = max(self.close_wait, len(waiting))


@contextmanager
def measured(settings: Settings) -> Iterator[Usage]:
    """Look at the server again and again until the block ends."""
    server = process._server(settings)
    assert server
    usage = Usage(before_mb=server.memory_info().rss // MB)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(INTERVAL_SECONDS):
            usage.add(server)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield usage
    finally:
        done.set()
        thread.join()
        usage.add(server)
        usage.after_mb = server.memory_info().rss // MB


def _function(worker: psutil.Process) -> str:
    """The function of a worker, by the folder that its script is in; a process of its own else."""
    try:
        found = re.search(r"/ministack-lambda-(.+)-[^-/]+/", " ".join(worker.cmdline()))
    except psutil.Error:  # it has ended in the meantime
        found = None
    return found[1] if found else str(worker.pid)


def _memory(worker: psutil.Process) -> int:
    try:
        return int(worker.memory_info().rss)
    except psutil.Error:  # it has ended in the meantime
        return 0
