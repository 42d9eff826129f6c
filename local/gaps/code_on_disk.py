"""One copy of a package on disk for all processes that run it.

For each process that it starts, ministack 1.5.33 writes the function's zip again and unpacks it:
2,500 files, a third of a second in the server's interpreter, and as many files to remove at the
end. On AWS a function's code is read-only, so all processes may share it. The function's
`CodeSha256` identifies the package, so nothing has to be read or hashed.
"""

import hashlib
import io
import shutil
import tempfile
import threading
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

_REFERENCE = b"unpacked at "
_lock = threading.Lock()


class Copy:
    """Replaces the opened zip of a package that is already unpacked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> "Copy":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def extractall(self, path: str) -> None:
        target = Path(path)
        target.rmdir()
        target.symlink_to(self._directory)


def from_shared_copy(spawn: Callable[[Any], None]) -> Callable[[Any], None]:
    """As upstream, which writes a worker's zip to disk, but with the path of the shared copy."""

    def spawn_from_copy(worker: Any) -> None:
        code, worker.code_zip = worker.code_zip, _REFERENCE + bytes(unpacked(worker))
        try:
            spawn(worker)
        finally:
            worker.code_zip = code

    return spawn_from_copy


def unpacked(worker: Any) -> Path:
    """The directory with a worker's code."""
    name = hashlib.sha256(worker.config["CodeSha256"].encode()).hexdigest()[:16]
    shared = Path(tempfile.gettempdir()) / f"stepworks-code-{name}"
    with _lock:
        if not shared.exists():
            unpacking = shared.with_suffix(".part")
            shutil.rmtree(unpacking, ignore_errors=True)
            with zipfile.ZipFile(io.BytesIO(worker.code_zip)) as archive:
                archive.extractall(unpacking)
            unpacking.rename(shared)
    return shared


def open_zip(path: str) -> Copy | zipfile.ZipFile:
    with Path(path).open("rb") as opened:
        if opened.read(len(_REFERENCE)) == _REFERENCE:
            return Copy(Path(opened.read().decode()))
    return zipfile.ZipFile(path)


def install() -> None:
    lambda_runtime.Worker._spawn = from_shared_copy(lambda_runtime.Worker._spawn)
    lambda_runtime.zipfile = types.SimpleNamespace(**{**vars(zipfile), "ZipFile": open_zip})
