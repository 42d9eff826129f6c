"""A web server with images and a stub of S3, both with a fixed latency, in their own process.

They do very little, so that they do not limit what is measured.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import ClassVar

LATENCY = 0.020  # seconds until a response begins
IMAGE = bytes(range(250)) * 40  # 10 kB


class Server(asyncio.Protocol):
    """HTTP/1.1 with keep-alive. GET returns an image or what was PUT; PUT returns 200."""

    stored: ClassVar[dict[str, bytes]] = {}  # what was PUT outside of /images/

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].partition(b"\r\n")[0])
            if len(self.buffer) < end + 4 + length:
                if b"expect: 100-continue" in head and len(self.buffer) == end + 4:
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            method, path = bytes(self.buffer[:end]).split(b" ", 2)[:2]
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.loop.call_later(LATENCY, self.respond, method, path.decode(), body)

    def respond(self, method: bytes, path: str, body: bytes) -> None:
        response = b""
        if method == b"GET":
            response = self.stored.get(path, IMAGE)
        elif not path.startswith("/images/"):
            self.stored[path] = body
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(response)}"
        self.transport.write(f'{head}\r\nETag: "x"\r\n\r\n'.encode() + response)


def _serve(ready: Connection, cpu: int | None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Server, "127.0.0.1", 0, backlog=512) for _ in range(2)]
        ready.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def running(cpu: int | None) -> Iterator[tuple[str, str]]:
    """The addresses of the web server and of the S3 stub."""
    own_end, child_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(child_end, cpu))
    process.start()
    try:
        web, s3 = own_end.recv()
        yield f"http://127.0.0.1:{web}", f"http://127.0.0.1:{s3}"
    finally:
        process.terminate()
        process.join()
