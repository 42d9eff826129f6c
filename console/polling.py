"""One poller for all pages: it reads from AWS what is new and tells every page that listens.

It polls once, however many pages are open. It slows down while nothing happens, and ends when
nobody listens.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from console.aws import ConsoleError, NotAllowedError, NotFoundError
from console.runs import Run, Runs

FASTEST = 1.0  # seconds between polls while something happens
SLOWEST = 5.0  # while nothing does
SLOWEST_IF_WOKEN = 30.0  # while nothing does, if changes wake the poller
PATIENCE = 0.4  # seconds after a wake: more may follow
SLOWING = 1.25  # factor from one idle poll to the next
ALIVE = 15.0  # seconds between comments that keep a connection open
DETAILED = 30  # runs of which a poll reads label, error or states
QUEUE = 200  # events for a page that does not read them; then it starts anew

Event = tuple[str, dict[str, Any]]
# Reads what is new for a page, and returns what all pages are told of it.
Reader = Callable[[], Iterable[Event]]


class Listener:
    """One open page."""

    def __init__(self, run: str | None, revision: int) -> None:
        self.run = run
        self.revision = revision  # of the run, that the page knows or is about to fetch
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE)

    def put(self, name: str, data: dict[str, Any]) -> None:
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)  # ends the stream: the page connects again and reloads
        else:
            self.queue.put_nowait((name, data))


class Poller:
    """Polls while there are listeners."""

    def __init__(
        self,
        runs: Callable[[], Runs],
        clean: Callable[[Any], Any],
    ) -> None:
        self._runs = runs
        self._known: Runs | None = None  # those of the last poll
        self._clean = clean
        # Its own thread: requests that wait for AWS do not keep it from polling.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="console-poller")
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self.wakes_come = False  # whether somebody calls `wake` for every change
        self._changed: set[str | None] = set()  # ARNs of executions; None: any
        self.state: dict[str, Any] = {"connected": True, "since": now(), "message": None}
        # What other pages count. They must answer at once, from what they have read before.
        self.counters: list[Callable[[], dict[str, int | None]]] = []
        # What other pages read. Called with every poll: each decides whether it is time to.
        self.readers: list[Reader] = []
        self._failing: set[Reader] = set()

    # -- Waking -----------------------------------------------------------------------------------

    def wake(self, execution_arn: str | None = None) -> None:
        """Poll at once: something has changed. May be called from any thread, and often.

        `execution_arn` is what has changed: an execution, "" if it is none, None for any execution.
        """
        woken = self._woken
        if self._listeners and woken is not None:
            self._changed.add(execution_arn)
            if not woken.is_set():
                self._soon(woken.set)

    # -- Listening --------------------------------------------------------------------------------

    async def listen(self, run: str | None) -> AsyncIterator[bytes]:
        """Server-sent events for one page."""
        known = self._known.by_id.get(run) if self._known is not None and run else None
        # The page fetches the run when the stream has begun.
        listener = Listener(run, known.revision if known is not None else 0)
        self._listeners.add(listener)
        self._start()
        try:
            yield sent("summary", self.summary())
            yield sent("state", self.state)
            while True:
                try:
                    # asyncio.wait_for loses a cancellation before Python 3.12 if an event comes at
                    # the same moment: https://github.com/python/cpython/issues/86296
                    async with asyncio.timeout(ALIVE):
                        event = await listener.queue.get()
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                if event is None:
                    return
                yield sent(*event)
        finally:
            self._listeners.discard(listener)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._woken = asyncio.Event()
            self._task = self._loop.create_task(self._poll_while_heard())

    async def _poll_while_heard(self) -> None:
        assert self._loop is not None
        assert self._woken is not None
        pause = FASTEST
        last_summary: dict[str, Any] = {}
        while self._listeners:
            self._woken.clear()
            changed = await self._loop.run_in_executor(self._executor, self._poll)
            pause = FASTEST if changed else min(pause * SLOWING, self._slowest())
            summary = self.summary()
            if summary["counts"] != last_summary.get("counts"):
                last_summary = summary
                self._tell("summary", summary)
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
                await asyncio.sleep(PATIENCE)
            except TimeoutError:
                pass

    def _slowest(self) -> float:
        return SLOWEST_IF_WOKEN if self.wakes_come else SLOWEST

    def _poll(self) -> bool:
        """Read what is new and tell the listeners. Returns whether there was anything."""
        try:
            runs = self._runs()
            runs.on_progress = self.tell_of
            first, self._known = runs is not self._known, runs
            woken, self._changed = self._changed, set()
            runs.look_now(woken)
            found = runs.refresh()  # at first all runs: a page has read them itself
            changed = {} if first else {run.id: run for run in found}
            changed |= {run.id: run for run in runs.detail(runs.worth_detail(), DETAILED)}
            watched = {listener.run for listener in self._listeners if listener.run}
            for run_id in watched:
                with suppress(NotFoundError):  # the address of a run that is no more
                    run = runs.get(run_id)
                    changed |= {run.id: run for run in runs.detail([run], 1)}
        except ConsoleError as error:
            self._say_state(False, error)
            return False
        self._say_state(True, None)
        if changed:
            self._tell_soon("runs", {"runs": [run.summary() for run in changed.values()]})
        for run_id in watched:
            if (watched_run := runs.by_id.get(run_id)) is not None:
                self.tell_of(watched_run)
        news = self._read_for_pages()
        return bool(changed) or news

    def _read_for_pages(self) -> bool:
        """Let the other pages read what is new. Returns whether there was anything.

        A page names an error of its own request. So when a reader begins to fail, or succeeds
        again, the pages are told to make their requests again.
        """
        news = False
        for reader in self.readers:
            failed = reader in self._failing
            try:
                for name, data in reader():
                    news = True
                    self._tell_soon(name, data)
                self._failing.discard(reader)
            except ConsoleError:
                self._failing.add(reader)
            if failed != (reader in self._failing):
                self._tell_soon("resync", {})
        return news

    def tell(self, name: str, data: dict[str, Any]) -> None:
        """Tell all pages something. May be called from any thread."""
        self._tell_soon(name, data)

    def tell_of(self, run: Run) -> None:
        """Tell the pages that show a run that it has changed. May be called from any thread."""
        self._soon(self._tell_watchers, run.id, run.revision)

    def _tell_watchers(self, run_id: str, revision: int) -> None:
        for listener in list(self._listeners):
            if listener.run == run_id and listener.revision < revision:
                listener.revision = revision
                listener.put("run", {"id": run_id, "revision": revision})

    def _say_state(self, connected: bool, error: ConsoleError | None) -> None:
        if connected == self.state["connected"] and connected:
            return
        since = now() if connected != self.state["connected"] else self.state["since"]
        before = self.state
        self.state = {"connected": connected, "since": since, "message": None}
        if error is not None:
            self.state["message"] = error.message
            self.state["action"] = error.action
            self.state["denied"] = isinstance(error, NotAllowedError)
        if self.state != before:
            self._tell_soon("state", self.state)

    # -- Telling ----------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        counts: dict[str, int | None] = {"running": 0, "waiting": 0, "runs": 0}
        counts |= {"mails": None, "deadLetters": None, "events": None}
        if self._known is not None:
            counts |= self._known.counts()
        for counter in self.counters:
            counts |= counter()
        return {"at": now(), "counts": counts}

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        for listener in list(self._listeners):
            listener.put(name, data)

    def _tell_soon(self, name: str, data: dict[str, Any]) -> None:
        self._soon(self._tell, name, self._clean(data))

    def _soon(self, do: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the server has ended, and its loop with it
                self._loop.call_soon_threadsafe(do, *arguments)


def sent(name: str, data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def now() -> int:
    return round(time.time() * 1000)
