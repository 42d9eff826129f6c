"""A connection that its client has closed is closed at once.

hypercorn keeps it until its time of idleness is over: a client that opens a connection for each
request leaves thousands of sockets in CLOSE_WAIT, and each is an open file of the server.
"""

from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Updated

_read_upstream = TCPServer._read_data
_send_upstream = TCPServer.protocol_send


async def read_data(self: Any) -> None:
    await _read_upstream(self)
    await self.idle_task.stop()


async def protocol_send(self: Any, event: Any) -> None:
    """As upstream, but nothing waits for the next request of a client that is gone."""
    if not (isinstance(event, Updated) and self.reader.at_eof()):
        await _send_upstream(self, event)


def install() -> None:
    TCPServer._read_data = read_data
    TCPServer.protocol_send = protocol_send
