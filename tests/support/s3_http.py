"""S3 over HTTP, for code that sends its own requests, which moto does not see.

patch.setattr(blocking, "open_connection", s3_http.connect)    # inside of mock_aws
"""

import socket
import threading
from dataclasses import dataclass

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.models import botocore_stubber

from handlers.shared.aws_http.connection import Connection
from tests.support.dynamodb_http import serve


def connect(url: str, attempt: int = 0) -> Connection:
    """A connection to moto's S3."""
    own, server = socket.socketpair()
    own.setblocking(False)
    threading.Thread(target=serve, args=(server, _respond), daemon=True).start()
    return Connection(own, "s3", tls=False)


@dataclass(frozen=True)
class Response:
    """An HTTP response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


def perform(head: str, body: bytes) -> Response:
    """What moto's S3 responds to a request. (The library requests would take half of the time.)"""
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    headers = HTTPHeaders()
    for name, value in (line.split(": ", 1) for line in lines if line):
        headers[name] = value
    url = f"https://{headers['Host']}{target}"
    request = AWSPreparedRequest(method, url, headers, body, stream_output=False)
    assert botocore_stubber.enabled, "not inside of mock_aws"
    status, fields, content = botocore_stubber.process_request(request)
    return Response(
        status,
        # Moto may have a header in two spellings; the last one counts.
        {name.lower(): str(value) for name, value in fields.items()},
        content.encode() if isinstance(content, str) else bytes(content),
    )


def _respond(head: bytes, body: bytes) -> bytes:
    response = perform(head.decode(), body)
    fields = response.headers | {"content-length": str(len(response.content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {response.status} X\r\n{lines}\r\n".encode() + response.content
