"""Read botocore's descriptions of services and endpoints once a process.

Each session of botocore reads them again, and tests on moto begin with a new session. Reading them
took a quarter of the CPU time of these tests.
"""

from typing import Any

import botocore.loaders


class _Loader(botocore.loaders.Loader):  # type: ignore[misc] # botocore has no types
    _read: dict[Any, Any] = {}  # noqa: RUF012 - of all sessions, on purpose

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cache = self._read


def share() -> None:
    """Let all sessions of this process share what one of them has read."""
    botocore.loaders.Loader = _Loader
