"""Read botocore's descriptions of services and endpoints once a process.

Each session of botocore reads them again, and tests on moto begin with a new session. Reading them
took a quarter of the CPU time of these tests.
"""

from collections import defaultdict
from typing import Any

import botocore.session

_create_loader = botocore.session.create_loader
_read: dict[str | None, dict[Any, Any]] = defaultdict(dict)


def share() -> None:
    """Let all sessions of this process share what one of them has read."""
    botocore.session.create_loader = _sharing_loader


def _sharing_loader(search_path: str | None = None) -> Any:
    loader = _create_loader(search_path)
    loader._cache = _read[search_path]
    return loader
