"""The process of the local AWS: ministack with the gaps filled, on 127.0.0.1 alone.

Started by `local.process`, which sets the environment that ministack reads at import.
"""

import asyncio
import logging
import os

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from local import gaps
from local.authentication import Authentication
from local.guard import Guard


def main() -> None:
    gaps.install()
    # A health check every fraction of a second would be most of the log.
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    config = Config()
    port = int(os.environ["GATEWAY_PORT"])
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    asyncio.run(serve(Guard(Authentication(app), port), config))


if __name__ == "__main__":
    main()
