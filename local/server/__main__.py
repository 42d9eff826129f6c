"""The process of the local AWS. It listens on 127.0.0.1 only.

`local.process` starts it and sets the environment that ministack reads at import.
"""

import asyncio
import logging
import os
import resource

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from local import gaps
from local.server.authentication import Authentication
from local.server.console import WithConsole
from local.server.guard import Guard

OPEN_FILES = 65_536


def main() -> None:
    _allow_open_files()
    gaps.install()
    # Health checks, several per second, would fill most of the log.
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    config = Config()
    port = int(os.environ["GATEWAY_PORT"])
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 20  # more than the few seconds between a client's polls
    config.graceful_timeout = 1
    asyncio.run(serve(Guard(WithConsole(Authentication(app), port), port), config))


def _allow_open_files() -> None:
    """As many as the system allows: a worker needs three, a connection needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    main()
