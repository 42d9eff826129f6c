"""S3 over HTTP, for code that sends its own requests, which moto does not see.

patch.setattr(blocking, "open_connection", s3_http.connect)    # inside of mock_aws
"""

import socket
import threading

import requests

from handlers.shared.aws_http.connection import Connection
from tests.support.dynamodb_http import serve


def connect(url: str, attempt: int = 0) -> Connection:
    """A connection to moto's S3."""
    own, server = socket.socketpair()
    own.setblocking(False)
    threading.Thread(target=serve, args=(server, _respond), daemon=True).start()
    return Connection(own, "s3", tls=False)


def perform(head: str, body: bytes) -> requests.Response:
    """What moto's S3 responds to a request."""
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines if line)
    with requests.Session() as session:
        url = f"https://{headers['Host']}{target}"
        return session.request(method, url, headers=headers, data=body)


def _respond(head: bytes, body: bytes) -> bytes:
    response = perform(head.decode(), body)
    fields = dict(response.headers) | {"Content-Length": str(len(response.content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in _once(fields).items())
    return f"HTTP/1.1 {response.status_code} X\r\n{lines}\r\n".encode() + response.content


def _once(headers: dict[str, str]) -> dict[str, str]:
    """Moto may have a header in two spellings; the last one counts."""
    return {name.lower(): value for name, value in headers.items()}
