"""One copy of a package on disk for all the processes that run it.

ministack 1.5.33 unpacks a function's zip anew for each process it starts: two and a half thousand
files, a third of a second in the server's own interpreter, and as many files to remove at the end.
On AWS a function's code is read-only, so all may share it.
"""

import hashlib
import shutil
import tempfile
import threading
import types
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

_CODE = "code"  # the directory that lambda_runtime unpacks a function's zip to
_lock = threading.Lock()


class SharedZipFile(zipfile.ZipFile):
    """A zip that is unpacked to a directory called `code` as a link to the one copy of it."""

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        target = Path(path or ".")
        if target.name != _CODE or self.filename is None:
            super().extractall(path, members, pwd)
            return
        digest = hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
        shared = Path(tempfile.gettempdir()) / f"stepworks-code-{digest[:16]}"
        with _lock:
            if not shared.exists():
                unpacking = shared.with_suffix(".part")
                shutil.rmtree(unpacking, ignore_errors=True)
                super().extractall(unpacking)
                unpacking.rename(shared)
        target.rmdir()
        target.symlink_to(shared)


def install() -> None:
    seen = {**vars(zipfile), "ZipFile": SharedZipFile}
    lambda_runtime.zipfile = types.SimpleNamespace(**seen)
