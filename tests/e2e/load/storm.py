"""Storms of faults between the functions and DynamoDB, inside a local AWS of the load tests' own.

While there is a storm, nearly half of the BatchWriteItem requests of functions meet a fault: a part
of their items is not processed, they are refused with a 500, they take effect and their response
breaks off, or they are slow.

    with storm(settings) as met:    # in a test; `server.py` is the local AWS
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any

from ministack.services import dynamodb

from local.server.authentication import Request
from local.server.guard import App, Receive, Scope, Send
from local.settings import Settings
from tests.e2e.soak.faults import break_off, is_of_a_function

LOG = "STORM_LOG"
OPERATION = "DynamoDB_20120810.BatchWriteItem"


_cut = ContextVar("cut", default=False)
_upstream = dynamodb._batch_write_item


class Kind(StrEnum):
    """What happens to a request."""

    UNPROCESSED = "unprocessed"  # a third of its items
    FAILED = "failed"
    RESPONSE_LOST = "response lost"
    SLOW = "slow"


SHARES = {Kind.UNPROCESSED: 0.30, Kind.FAILED: 0.05, Kind.RESPONSE_LOST: 0.03, Kind.SLOW: 0.05}
SLOW_SECONDS = (0.2, 7.0)  # the client waits for five


class Storm:
    """Passes requests on to the app. There is a storm as long as the file for its log exists."""

    def __init__(self, app: App, log: Path) -> None:
        self.app = app
        self.log = log
        self._random = random.Random(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = None
        if is_of_a_function(scope) and self.log.exists():
            request = Request.from_scope(scope)
            if request.headers.get("x-amz-target") == OPERATION:
                kind = self._next_kind()
        match kind:
            case Kind.UNPROCESSED:
                _cut.set(True)  # in this request's context
                await self.app(scope, receive, send)
            case Kind.FAILED:
                await _respond(send, 500, {"__type": "InternalServerError", "message": "a test"})
            case Kind.RESPONSE_LOST:
                await break_off(self.app, scope, receive, send)
            case _:
                if kind is Kind.SLOW:
                    await asyncio.sleep(self._random.uniform(*SLOW_SECONDS))
                await self.app(scope, receive, send)

    def _next_kind(self) -> Kind | None:
        """The fault of this request; None for more than half of them."""
        kinds, shares = [*SHARES, None], [*SHARES.values(), 1 - sum(SHARES.values())]
        (kind,) = self._random.choices(kinds, shares)
        with self.log.open("a") as log:
            log.write(f"{kind or 'none'}\n")
        return kind


@contextmanager
def storm(settings: Settings) -> Iterator[Counter[str]]:
    """A storm until the block ends; then the result has how many requests met which fault."""
    log, met = _log(settings), Counter[str]()
    log.touch()
    try:
        yield met
    finally:
        met.update(log.read_text().split("\n"))
        log.unlink()


def _log(settings: Settings) -> Path:
    return settings.directory / "storm.log"


def batch_write_item(data: dict[str, Any]) -> Any:
    """ministack's function for the operation; of a cut request, it gets two of three items."""
    if not _cut.get():
        return _upstream(data)
    ((table, writes),) = data["RequestItems"].items()
    left = writes[2::3]
    processed = [write for write in writes if write not in left]
    status, headers, body = _upstream(data | {"RequestItems": {table: processed}})
    if status == 200 and left:
        body = json.dumps(json.loads(body) | {"UnprocessedItems": {table: left}})
    return status, headers, body


async def _respond(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def prepare(settings: Settings) -> None:
    """Tell the server, before it starts, where the log of a storm is."""
    os.environ[LOG] = str(_log(settings))
