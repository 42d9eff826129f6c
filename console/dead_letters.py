"""The dead-letter queues of a stack: what is in them, why, and how to send it again.

A dead-letter queue is one that something of the stack names as such: a queue's RedrivePolicy, a
rule's target, a function's asynchronous invocations; or a queue whose name says so.

Looking at letters hides them from other readers for a moment and takes a second or more, so it
happens in the background: when somebody opens the page, and when the number of letters changes
while the page is open.
"""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console.aws import BadRequestError, ConsoleError, NotFoundError, translated
from console.core import Console
from console.polling import Event
from console.runs import run_id
from console.stack import Resource
from console.topology import Topology
from console.web import Server
from ops.dead_letters import DeadLetter, DeadLetterQueue

COUNTED_AGAIN = 2.0  # seconds between counts of letters
OPEN = 60.0  # seconds after the last request for which the page counts as open
LOOKED_AGAIN = 30.0  # seconds after which an open page's letters are read again in any case
MOST = 500  # letters of a queue that a page gets


@dataclass
class Queue:
    """One dead-letter queue, as far as it is known."""

    resource: Resource
    count: int | None = None
    letters: list[DeadLetter] | None = None  # None: not read yet
    held_elsewhere: int = 0
    read_for: int | None = None  # the count for which the letters were read
    read_at: float = 0.0
    reading: bool = False
    error: ConsoleError | None = None

    @property
    def name(self) -> str:
        return self.resource.name


class DeadLetters:
    """The dead-letter queues of a stack. May be used by several threads."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.console = server.console
        self._queues: dict[str, Queue] = {}
        self._found_in: Topology | None = None  # what the queues were looked for in
        self._counted_at = 0.0
        self._asked_at = float("-inf")
        self._lock = threading.Lock()

    # -- For the poller ---------------------------------------------------------------------------

    def count(self) -> dict[str, int | None]:
        counts = [queue.count for queue in self._queues.values() if queue.count is not None]
        return {"deadLetters": sum(counts) if counts else (0 if self._found_in else None)}

    def read(self) -> Iterator[Event]:
        """Count letters; while the page is open, read those that are new."""
        if time.monotonic() - self._counted_at < COUNTED_AGAIN or not self.console.topology_soon(0):
            return
        self._counted_at = time.monotonic()
        before = self.count()
        self.console.runs.parallel(self._count, self.queues())
        if self._is_open():
            self._look_where_needed()
        if self.count() != before:
            yield "deadLetters", {"counted": True}

    def _is_open(self) -> bool:
        return time.monotonic() - self._asked_at < OPEN

    def _count(self, queue: Queue) -> None:
        try:
            queue.count = translated("sqs", "get_queue_attributes", self.letters_of(queue).count)
            if queue.error is not None and queue.letters is None and not queue.count:
                queue.error = None
        except ConsoleError as error:
            queue.error = error

    # -- Queues -----------------------------------------------------------------------------------

    def letters_of(self, queue: Queue) -> DeadLetterQueue:
        return DeadLetterQueue(queue.resource.physical_id, self.console.aws.client)

    def queues(self) -> list[Queue]:
        """The stack's dead-letter queues."""
        topology = self.console.topology
        with self._lock:
            if self._found_in is not topology:  # it is the first time, or it was read again
                found = {one.name: one for one in self._find(topology)}
                self._queues = {
                    name: self._queues.get(name) or Queue(one) for name, one in found.items()
                }
                self._found_in = topology
            return list(self._queues.values())

    def _find(self, topology: Topology) -> Iterator[Resource]:
        for resource in self.console.inventory.of_kind("queue"):
            if topology.holds_dead_letters(resource):
                yield resource

    # -- Letters ----------------------------------------------------------------------------------

    def _look_where_needed(self) -> None:
        now = time.monotonic()
        with self._lock:
            for queue in self._queues.values():
                old = now - queue.read_at > LOOKED_AGAIN and (queue.count or queue.letters)
                if not queue.reading and (queue.count != queue.read_for or old):
                    self._look(queue)

    def _look(self, queue: Queue) -> None:
        """Read the letters of a queue in the background, and tell the pages."""
        if queue.count == 0:
            queue.letters, queue.held_elsewhere, queue.read_for = [], 0, 0
            return
        queue.reading = True

        def look() -> None:
            count = queue.count
            try:
                found = translated("sqs", "receive_message", self.letters_of(queue).read)
                for letter in found:
                    self.console.redaction.learn_from(letter.content)
                queue.letters, queue.held_elsewhere = list(found), found.held_elsewhere
                queue.error = None
            except ConsoleError as error:
                queue.error = error
            finally:
                queue.read_for, queue.read_at = count, time.monotonic()
                queue.reading = False
            self.server.poller.tell("deadLetters", {"queue": queue.name})

        self.server.background.submit(look)

    def listed(self, console: Console, request: Request) -> dict[str, Any]:
        """The queues with the letters that have been read so far."""
        self._asked_at = time.monotonic()
        queues = self.queues()
        console.runs.parallel(self._count, [queue for queue in queues if queue.count is None])
        self._look_where_needed()
        return {
            "queues": [self._shown(queue) for queue in queues],
            # Without these, a queue may not be known as one for failures.
            "problems": console.topology.problems,
        }

    def _shown(self, queue: Queue) -> dict[str, Any]:
        letters = queue.letters
        return {
            "name": queue.name,
            "title": queue.resource.title,
            "count": queue.count,
            "letters": None if letters is None else [self.shown(one) for one in letters[-MOST:]],
            "heldElsewhere": queue.held_elsewhere,
            "error": queue.error.as_dict() if queue.error else None,
        }

    def shown(self, letter: DeadLetter) -> dict[str, Any]:
        """A dead letter for the page."""
        kind, title = self._origin(letter.origin)
        execution = letter.attributes.get("EXECUTION_ARN", "")
        rule = re.search(r":rule/(?:.+/)?([^/]+)\Z", letter.attributes.get("RULE_ARN", ""))
        return {
            "id": letter.id,
            "at": round(letter.sent_at.timestamp() * 1000),
            "error": letter.error or None,
            "reason": letter.reason or None,
            "origin": {"kind": kind, "title": title, "arn": letter.origin or None},
            "rule": self.console.inventory.title("rule", rule[1]) if rule else None,
            "body": letter.content,
            "attributes": letter.attributes,
            "received": int(letter.system.get("ApproximateReceiveCount", 0) or 0),
            "run": run_id(execution) if ":execution:" in execution else None,
            "sendable": kind in ("machine", "function", "queue"),
        }

    def _origin(self, arn: str) -> tuple[str | None, str | None]:
        """Kind and title of what a letter was meant for."""
        for service, kind in (("states", "machine"), ("lambda", "function"), ("sqs", "queue")):
            if arn.split(":")[2:3] == [service]:
                name = arn.removesuffix(":$LATEST").rpartition(":")[2]
                machine = self.console.inventory.machine(name)
                return kind, machine.title if machine else self.console.inventory.title(kind, name)
        return None, arn or None

    # -- Sending again ----------------------------------------------------------------------------

    def send(self, console: Console, request: Request) -> dict[str, Any]:
        """Send letters again to where they were meant for: some, or all of the queue."""
        name = request.path_params["queue"]
        queue = next((one for one in self.queues() if one.name == name), None)
        if queue is None:
            raise NotFoundError(f"There is no dead-letter queue {name} in the stack.")
        ids = request.state.body.get("ids")
        if ids is not None and (not isinstance(ids, list) or not ids or not all(map(_is_id, ids))):
            raise BadRequestError("`ids` must be a list of letters' ids, or null for all of them.")
        results = translated("sqs", "receive_message", lambda: self._redrive(queue, ids or []))
        queue.read_for = None  # read again
        self._counted_at = 0.0
        self.server.poller.wake("")
        return {"results": results, "sent": sum(result["sent"] for result in results)}

    def _redrive(self, queue: Queue, ids: list[str]) -> list[dict[str, Any]]:
        letters_of = self.letters_of(queue)
        with letters_of.held(*ids) as letters:
            results = [
                {
                    "id": result.letter.id,
                    "sent": result.done,
                    "what": result.result,
                    "run": run_id(result.execution) if result.execution else None,
                }
                for result in letters_of.redrive(letters)
            ]
        missing = set(ids) - {result["id"] for result in results}
        results += [{"id": one, "sent": False, "what": _GONE, "run": None} for one in missing]
        return results


_GONE = "It is not in the queue any more, or somebody else is reading it."


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= 8


def routes(server: Server) -> list[Route]:
    letters = DeadLetters(server)
    server.poller.counters.append(letters.count)
    server.poller.readers.append(letters.read)
    return [
        server.get("dead-letters", letters.listed),
        server.post("dead-letters/{queue}/send", letters.send),
    ]
