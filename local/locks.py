"""Locks for commands that would disturb each other.

Two commands may start, deploy or stop the same local AWS at the same time, for example in two
terminals. `serverless` packages into one folder of the checkout, whatever the port is.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from local.settings import own_folder


@contextmanager
def one_at_a_time(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until no other process holds this name. `waiting` is called if there is one."""
    path = own_folder() / f"{name}.lock"
    lock = _acquired(path, waiting)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.close()  # this releases the lock


def _acquired(path: Path, waiting: Callable[[], None]) -> IO[str]:
    while True:
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        # The last holder removed the file: another process may have created and locked a new one.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()
