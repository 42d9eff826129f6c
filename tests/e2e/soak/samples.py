"""What a local AWS uses, sampled while it runs: its memory, processes, threads and files."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local import process
from local.settings import Settings
from tests.e2e.soak.growth import Sample

INTERVAL_SECONDS = 5
# Growth per hour that is none, whatever the median is.
TOLERATED = {
    "memory of the local AWS, MB": 20.0,
    "processes": 4.0,
    "threads of the local AWS": 10.0,
    "open files of the local AWS": 20.0,
    "files on disk": 50.0,
}


@contextmanager
def sampled(settings: Settings) -> Iterator[dict[str, list[Sample]]]:
    """Samples of each quantity in TOLERATED, until the block ends."""
    server = process._server(settings)
    assert server
    looks: dict[str, Callable[[], float]] = dict(
        zip(
            TOLERATED,
            (
                lambda: server.memory_info().rss / 2**20,
                lambda: len(server.children()),
                server.num_threads,
                server.num_fds,
                lambda: _files(settings),
            ),
            strict=True,
        )
    )
    samples: dict[str, list[Sample]] = {name: [] for name in looks}
    began, done = time.monotonic(), threading.Event()

    def sample() -> None:
        while not done.wait(INTERVAL_SECONDS):
            for name, look in looks.items():
                samples[name].append(Sample(time.monotonic() - began, look()))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _files(settings: Settings) -> int:
    """Without the packages: each function's is unpacked once, when it is called first."""
    folders = os.walk(settings.directory)
    return sum(len(names) for folder, _, names in folders if "/stepworks-code" not in folder)
