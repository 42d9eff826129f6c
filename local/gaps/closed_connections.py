"""A connection that its client has closed is closed at once.

hypercorn keeps it until the idle timeout. A client that opens a connection for each request leaves
thousands of sockets in CLOSE_WAIT, and each is an open file of the server.
"""

from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer

_read_upstream = TCPServer._read_data


async def read_data(self: Any) -> None:
    await _read_upstream(self)
    await self.idle_task.stop()


def install() -> None:
    TCPServer._read_data = read_data
