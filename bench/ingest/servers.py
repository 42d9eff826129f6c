"""A stub of DynamoDB and S3 in a process of its own, which can be slow, throttle and fail.

It keeps every request. `Stub.stored` returns what the table would have, by which a run is checked.
"""

import asyncio
import json
import multiprocessing
import os
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bench.ingest.data import digest

TABLE_RATE, KEY_RATE = 4_000, 1_000  # DynamoDB: writes a second, of a new table and of a partition
_DESCRIPTION = (
    b'{"Table":{"KeySchema":[{"AttributeName":"sensor_id","KeyType":"HASH"},'
    b'{"AttributeName":"timestamp","KeyType":"RANGE"}]}}'
)
_ETAG = b'ETag: "0123456789abcdef"\r\n'
_NOTHING_UNPROCESSED = b'{"UnprocessedItems":{}}'


@dataclass(frozen=True)
class Behaviour:
    """How the stub responds to a write."""

    latency: float = 0.0  # seconds
    throttles: bool = False
    error_percent: float = 0.0  # of the requests: half of them a 500, half a reset


class _Table:
    """What was written, and what may be written now."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.bodies: list[bytes] = []  # as received; parsed when somebody asks
        self.items: dict[str, str] = {}
        self.requests = 0
        self._chance = random.Random(1)
        self._tokens: dict[str, tuple[float, float]] = {}

    def write(self, operation: bytes, body: bytes, now: float) -> tuple[int, bytes] | None:
        """Status and body of the response, or None for a reset."""
        self.requests += 1
        roll = self._chance.random() * 100
        if roll < self.behaviour.error_percent / 2:
            return 500, b'{"__type":"com.amazonaws#InternalServerError","message":"stub"}'
        if not self.behaviour.throttles:
            self.bodies.append(body)
            response = _NOTHING_UNPROCESSED if operation == b"BatchWriteItem" else b"{}"
        else:
            refused = self._throttled(json.loads(body)["RequestItems"], now)
            if refused is None:
                return 400, (
                    b'{"__type":"com.amazonaws#ProvisionedThroughputExceededException",'
                    b'"message":"stub"}'
                )
            response = json.dumps({"UnprocessedItems": refused}).encode()
        return None if roll < self.behaviour.error_percent else (200, response)

    def _throttled(self, request: dict[str, Any], now: float) -> dict[str, Any] | None:
        """Store what may be stored; the rest, or None if that is everything."""
        ((table, writes),) = request.items()
        refused = []
        for write in writes:
            item = write["PutRequest"]["Item"]
            sensor = item["sensor_id"]["S"]
            if self._left("", TABLE_RATE, now) >= 1 and self._left(sensor, KEY_RATE, now) >= 1:
                for name in ("", sensor):
                    at, tokens = self._tokens[name]
                    self._tokens[name] = at, tokens - 1
                self._store(item)
            else:
                refused.append(write)
        if len(refused) == len(writes):
            return None
        return {table: refused} if refused else {}

    def _left(self, name: str, rate: float, now: float) -> float:
        """Tokens of a bucket that holds those of one second."""
        at, tokens = self._tokens.get(name, (now, float(rate)))
        tokens = min(rate, tokens + (now - at) * rate)
        self._tokens[name] = now, tokens
        return tokens

    def _store(self, item: dict[str, Any]) -> None:
        key = f"{item['sensor_id']['S']},{item['timestamp']['N']}"
        self.items[key] = item["value"]["N"]

    def summary(self) -> dict[str, Any]:
        for body in self.bodies:
            request = json.loads(body)
            if "RequestItems" in request:
                for writes in request["RequestItems"].values():
                    for write in writes:
                        self._store(write["PutRequest"]["Item"])
            else:
                self._store(request["Item"])
        return {
            "rows": len(self.items),
            "digest": digest(self.items.items()),
            "requests": self.requests,
        }


class _Objects:
    """S3: objects that were written, and one file, which every other key has."""

    def __init__(self, file: bytes = b"") -> None:
        self.file = file
        self._stored: dict[str, bytes] = {}
        self._parts: list[bytes] = []  # of the upload; there is only one at a time

    def respond(self, head: bytes, body: bytes) -> tuple[int, bytes, bytes]:
        """Status, body and further headers of the response to a request."""
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        key, _, query = unquote(target).partition("?")
        if method == "GET" and "list-type=2" in query:
            return 200, self._list(key, query), b""
        if method == "GET":
            return self._get(key, head.lower())
        if "partNumber=" in query:
            self._parts.append(body)
        elif method == "PUT":
            self._stored[key] = body
        elif "uploads=" in query:
            self._parts = []
            return 200, b"<UploadId>upload</UploadId>", b""
        else:
            self._stored[key] = b"".join(self._parts)
            return 200, b"<ETag>0123456789abcdef</ETag>", b""
        return 200, b"", _ETAG

    def _list(self, bucket: str, query: str) -> bytes:
        prefix = f"{bucket}{query.partition('prefix=')[2].partition('&')[0]}"
        contents = "".join(
            f"<Contents><Key>{key.removeprefix(bucket)}</Key><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self._stored.items())
            if key.startswith(prefix)
        )
        return f"<IsTruncated>false</IsTruncated>{contents}".encode()

    def _get(self, key: str, head: bytes) -> tuple[int, bytes, bytes]:
        """The bytes that a Range header asks for, or all."""
        content = self._stored.get(key, self.file)
        if (at := head.find(b"range: bytes=")) < 0:
            return 200, content, _ETAG
        start, end = map(int, head[at + 13 :].partition(b"\r\n")[0].split(b"-"))
        found = content[start : end + 1]
        span = (start, start + len(found) - 1, len(content))
        return 206, found, _ETAG + b"Content-Range: bytes %d-%d/%d\r\n" % span


class _Server(asyncio.Protocol):
    """HTTP/1.1 with keep-alive."""

    table = _Table(Behaviour())
    objects = _Objects()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            request = bytes(self.buffer[:end])
            head = request.lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            if b"x-amz-target:" not in head:
                status, content, headers = self.objects.respond(request, body)
                self.respond(status, content, b"binary/octet-stream", headers)
                continue
            if b".describetable" in head:
                self.respond(200, _DESCRIPTION, b"application/x-amz-json-1.0")
                continue
            operation = b"PutItem" if b".putitem" in head else b"BatchWriteItem"
            if latency := self.table.behaviour.latency:
                self.loop.call_later(latency, self.write, operation, body)
            else:
                self.write(operation, body)

    def write(self, operation: bytes, body: bytes) -> None:
        response = self.table.write(operation, body, self.loop.time())
        if response is None:
            self.transport.abort()
        else:
            self.respond(*response, b"application/x-amz-json-1.0")

    def respond(self, status: int, body: bytes, kind: bytes, headers: bytes = b"") -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %d OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
            self.transport.write(head % (status, kind, len(body), headers) + body)


def _serve(control: Connection, cpu: int | None, certificate: str) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    def command() -> None:
        name, argument = control.recv()
        if name == "behave":
            _Server.table = _Table(Behaviour(**argument))
        elif name == "file":
            _Server.objects = _Objects(Path(argument).read_bytes())
        else:
            control.send(_Server.table.summary())

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        plain = await loop.create_server(_Server, "127.0.0.1", 0, backlog=512)
        secure = await loop.create_server(_Server, "127.0.0.1", 0, backlog=512, ssl=tls)
        loop.add_reader(control.fileno(), command)
        control.send([server.sockets[0].getsockname()[1] for server in (plain, secure)])
        await asyncio.Event().wait()

    asyncio.run(serve())


class Stub:
    """The stub, as the benchmark sees it."""

    def __init__(self, control: Connection, ports: list[int], certificate: str) -> None:
        self._control = control
        self.certificate = certificate
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.tls_url = f"https://127.0.0.1:{ports[1]}"

    def behave(self, behaviour: Behaviour) -> None:
        """Forget everything that was written, and respond like this from now on."""
        self._control.send(("behave", asdict(behaviour)))

    def serve_file(self, path: Path) -> None:
        """Serve a file, and forget all objects that were written."""
        self._control.send(("file", str(path)))

    def stored(self) -> dict[str, Any]:
        """What was written: {"rows", "digest", "requests"}."""
        self._control.send(("stored", None))
        summary: dict[str, Any] = self._control.recv()
        return summary


@contextmanager
def running(cpu: int | None, certificate: Path) -> Iterator[Stub]:
    own_end, child_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(child_end, cpu, str(certificate))
    )
    process.start()
    try:
        yield Stub(own_end, own_end.recv(), str(certificate))
    finally:
        process.terminate()
        process.join()
