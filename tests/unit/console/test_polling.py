"""What an open page is told."""

import asyncio
import json
from collections.abc import Callable

import pytest

from console import polling
from console.labels import Labels
from console.polling import Poller
from console.runs import Run

RUN = "orders:one"


class RunsOfAPoll:
    """Runs that change while they are read."""

    def __init__(self, run: Run) -> None:
        self.by_id = {run.id: run}
        self.on_progress: Callable[[Run], None] = lambda _: None
        self.changes = 0  # that the next readings find

    def refresh(self) -> list[Run]:
        if self.changes:
            self.changes -= 1
            self.by_id[RUN].revision += 1
        return []

    def look_now(self, arns: set[str | None]) -> None:
        pass

    def worth_detail(self) -> list[Run]:
        return []

    def detail(self, runs: list[Run], most: int) -> list[Run]:
        return []

    def get(self, run_id: str) -> Run:
        return self.by_id[run_id]

    def counts(self) -> dict[str, int]:
        return {}


async def told(poller: Poller, runs: RunsOfAPoll, changes: int) -> list[int]:
    """The revisions of which a page is told that opens the run now, until it has changed."""
    revisions: list[int] = []
    stream = poller.listen(RUN)
    await anext(stream)  # the stream has begun: the page fetches the run
    runs.changes = changes
    last = runs.by_id[RUN].revision + changes
    async with asyncio.timeout(10):
        async for event in stream:
            name, data = event.decode().split("\n")[:2]
            if name == "event: run":
                revisions.append(json.loads(data.removeprefix("data: "))["revision"])
                if revisions[-1] == last:
                    break
    await stream.aclose()
    return revisions


def test_a_page_is_told_of_every_change_after_its_stream_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "FASTEST", 0.01)
    run = Run(RUN, "arn", "orders", "orders", "one", "RUNNING", 0, None, 3, labels=Labels())
    runs = RunsOfAPoll(run)
    poller = Poller(lambda: runs, lambda data: data)  # type: ignore[arg-type, return-value]

    async def open_twice() -> tuple[list[int], list[int]]:
        return await told(poller, runs, 1), await told(poller, runs, 2)

    first, second = asyncio.run(open_twice())

    assert first[-1] == 4
    assert second == [5, 6]  # the poller knows the run by now: not of what it was before


@pytest.mark.parametrize("steps", range(6))
def test_a_page_that_is_closed_while_it_is_told_something_is_forgotten(steps: int) -> None:
    """`steps` of the event loop after an event came for it."""
    run = Run(RUN, "arn", "orders", "orders", "one", "RUNNING", 0, None, 3, labels=Labels())
    poller = Poller(lambda: RunsOfAPoll(run), lambda data: data)  # type: ignore[arg-type, return-value]

    async def read() -> None:
        async for _ in poller.listen(None):
            pass

    async def close() -> None:
        page = asyncio.create_task(read())
        await asyncio.sleep(0.05)  # the stream has begun, and waits for an event
        poller._tell("news", {})
        for _ in range(steps):
            await asyncio.sleep(0)
        page.cancel()
        await asyncio.wait([page], timeout=1)
        assert page.done()

    asyncio.run(close())
