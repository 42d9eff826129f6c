"""BatchWriteItem over HTTP, for code that sends its own requests to DynamoDB.

    table = HttpTable(write)                        # `write` is called as boto3's batch_write_item
    BatchWriter(…, connect=table.connect)

`write` returns what boto3 returns. If it raises ClientError, that is the response; after any other
exception, the connection is closed without one.
"""

import json
import socket
import threading
import zlib
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.aws_http.connection import Connection

Write = Callable[..., dict[str, Any]]


class HttpTable:
    """Responds to requests on socket pairs, each in a thread of its own."""

    def __init__(self, write: Write, *, keeps_requests: bool = False) -> None:
        self.write = write
        self.keeps_requests = keeps_requests
        self.servers: list[socket.socket] = []  # their ends of the connections
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    @property
    def connections(self) -> int:
        return len(self.servers)

    def connect(self, url: str, attempt: int) -> Connection:
        """A connection to this table."""
        own, server = socket.socketpair()
        own.setblocking(False)
        self.servers.append(server)
        threading.Thread(target=serve, args=(server, self.respond), daemon=True).start()
        return Connection(own, "table", tls=False)

    def respond(self, head: bytes, body: bytes) -> bytes | None:
        """The response to a request; None closes the connection."""
        if self.keeps_requests:
            self.heads.append(head)
            self.bodies.append(body)
        try:
            return response(200, self.write(RequestItems=json.loads(body)["RequestItems"]))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            return response(status, {"__type": f"com.amazonaws#{code}", "message": message})
        except AssertionError as error:  # `write` refuses the request: fail the test
            return response(400, {"__type": "AssertionError", "message": str(error)})
        except Exception:
            return None


def serve(connection: socket.socket, respond: Callable[[bytes, bytes], bytes | None]) -> None:
    """Respond to requests, given as head and body, until the client has gone or for None."""
    with connection, connection.makefile("rb") as received:
        while head := _head(received):
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            sent = respond(head, received.read(length))
            if sent is None:
                return
            try:
                connection.sendall(sent)
            except OSError:  # the client has gone
                return


def response(status: int, content: Any, **headers: str) -> bytes:
    """An HTTP response as DynamoDB sends it."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(body)),
        "x-amz-crc32": str(zlib.crc32(body)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def _head(received: Any) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        try:
            line = received.readline()
        except OSError:
            return b""
        if not line:
            return b""
        head += line
    return head
