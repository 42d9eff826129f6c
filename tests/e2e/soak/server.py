"""The local AWS with random faults: `python -m tests.e2e.soak.server PORT WAIT_SCALE`."""

import os
from pathlib import Path
from typing import Any

from local.server import __main__ as server
from local.server.authentication import Authentication
from local.server.guard import App
from tests.e2e.soak.faults import Faults

SEED, SECONDS, LOG = "SOAK_SEED", "SOAK_FAULT_SECONDS", "SOAK_FAULT_LOG"


def with_faults(app: App) -> Any:
    """Verified requests meet faults, others none."""
    environment = os.environ
    faults = Faults(
        app, int(environment[SEED]), float(environment[SECONDS]), Path(environment[LOG])
    )
    return Authentication(faults)


if __name__ == "__main__":
    server.Authentication = with_faults  # type: ignore[assignment, misc]
    server.main()
