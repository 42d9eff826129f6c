"""A web server for a folder, on this machine only, with the latency of a distant server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, latency: float, **options: Any) -> None:
        self._latency = latency
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        time.sleep(self._latency)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True
    block_on_close = False


@contextmanager
def serve(folder: Path, latency: float) -> Iterator[str]:
    """The address of the server, which responds after `latency` seconds, while in `with`."""
    handler = partial(_Handler, directory=str(folder), latency=latency)
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
