"""The local AWS with storms: `python -m tests.e2e.load.server PORT WAIT_SCALE`."""

import os
from pathlib import Path
from typing import Any

from ministack.services import dynamodb

from local.server import __main__ as server
from local.server.authentication import Authentication
from local.server.guard import App
from tests.e2e.load.storm import LOG, Storm, batch_write_item


def with_storms(app: App) -> Any:
    """Only verified requests meet a storm."""
    return Authentication(Storm(app, Path(os.environ[LOG])))


if __name__ == "__main__":
    server.Authentication = with_storms  # type: ignore[assignment, misc]
    dynamodb._batch_write_item = batch_write_item
    server.main()
