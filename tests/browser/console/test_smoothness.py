"""What the console's page weighs, and that much data does not make it stutter.

A task of the page's main thread is measured in time on the processor, not on the clock: other
processes of a busy machine do not count as long as they leave its caches alone. So the best of
several attempts counts: a page that stutters does so in each.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import launched

from .conftest import Workbench

pytestmark = pytest.mark.alone

RUNS = 1000
ITEMS = 2000
DRIVER = "blink.mojom.DevToolsSession"  # in a trace
LONGEST_TASK = 100.0  # ms
ATTEMPTS = 3
MOST_TRANSFERRED = 150_000  # bytes
FIRST_PAINT = 1000.0  # ms
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """As people have it, with V8's optimizing compilers."""
    with launched() as browser:
        yield browser


@contextmanager
def main_thread(browser: Browser, page: Page) -> Iterator[list[float]]:
    """The tasks of the page's main thread meanwhile, in ms, longest first."""
    tasks: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel", "__metadata"])
    try:
        yield tasks
    finally:
        trace = json.loads(browser.stop_tracing())["traceEvents"]
        threads = {
            (event["pid"], event["tid"])
            for event in trace
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        found = [
            event for event in trace if (event["pid"], event["tid"]) in threads and "tdur" in event
        ]
        # What Playwright itself asks of the page, such as the text of a whole graph.
        driven = [event["ts"] for event in found if DRIVER in json.dumps(event.get("args"))]
        tasks += sorted(
            (
                event["tdur"] / 1000
                for event in found
                if not any(event["ts"] <= at <= event["ts"] + event["dur"] for at in driven)
            ),
            reverse=True,
        )


def paint(page: Page) -> float:
    return float(
        page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    )


def test_the_page_is_small_and_soon_there(workbench: Workbench, first_visit: Opened) -> None:
    execution = workbench.ended("echo", {"id": "weighed"})
    pages = [first_visit(workbench.page_of(execution)) for _ in range(3)]
    for page in pages:
        expect(page.locator(".graph .node")).to_be_visible()

    sizes: dict[str, int] = pages[0].evaluate(
        """Object.fromEntries([...performance.getEntriesByType("navigation"),
             ...performance.getEntriesByType("resource")]
             .filter(({ name }) => !name.includes("/api/"))
             .map(({ name, transferSize }) => [name, transferSize]))"""
    )
    print(f"{sum(sizes.values()):,} bytes in {len(sizes)} files")
    assert all(sizes.values())
    assert any(name.endswith("dagre.js") for name in sizes)
    assert sum(sizes.values()) < MOST_TRANSFERRED
    assert min(map(paint, pages)) < FIRST_PAINT


def longest_task(browser: Browser, first_visit: Opened, look: Callable[[Page], None]) -> float:
    """The longest task in ms while somebody looks; of several attempts, the best."""
    best = float("inf")
    for _ in range(ATTEMPTS):
        page = first_visit()
        with main_thread(browser, page) as tasks:
            look(page)
        best = min(best, tasks[0])
        print(f"longest task: {tasks[0]:.0f} ms of {len(tasks)}")
        page.context.close()
        if best < LONGEST_TASK:
            break
    return best


def test_a_thousand_runs_are_smooth(
    workbench: Workbench, browser: Browser, first_visit: Opened
) -> None:
    with ThreadPoolExecutor(4) as pool:
        started = [*pool.map(lambda n: workbench.start("echo", {"id": f"run {n}"}), range(RUNS))]
    workbench.aws.wait_for_end(started[-1])

    def look(page: Page) -> None:
        page.goto(f"{workbench.url}runs?workflow={workbench.stack}-echo")
        expect(page.locator(".row").nth(10)).to_be_visible()
        for _ in range(30):  # to the end, where older runs are loaded
            page.mouse.wheel(0, 1500)
            page.wait_for_timeout(60)
        workbench.wait(1, {"id": "while one looks"})
        page.get_by_role("searchbox").click()
        page.keyboard.type("run 77")
        expect(page.locator(".row").filter(has_text="run 777")).to_be_visible()
        assert page.locator(".row").count() < 100  # only what is in sight

    assert longest_task(browser, first_visit, look) < LONGEST_TASK


def test_a_map_of_two_thousand_items_is_smooth(
    workbench: Workbench, browser: Browser, first_visit: Opened
) -> None:
    orders: list[Any] = [{"valid": True}] * ITEMS
    execution = workbench.ended("orders", {"orders": orders})

    def look(page: Page) -> None:
        page.goto(f"{workbench.page_of(execution)}?state=Check+Orders&tab=items")
        expect(page.get_by_text(f"{ITEMS:,} items")).to_be_visible(timeout=60_000)
        page.locator(".map-items .row").first.hover()
        for _ in range(20):
            page.mouse.wheel(0, 2000)
            page.wait_for_timeout(60)
        page.get_by_role("tab", name="History").click()
        expect(page.locator(".history-row").nth(50)).to_be_visible(timeout=60_000)
        expect(page.locator(".graph")).to_contain_text(f"{ITEMS} ✓ of {ITEMS}")

    assert longest_task(browser, first_visit, look) < LONGEST_TASK


def test_the_architecture_is_smooth(console: str, browser: Browser, first_visit: Opened) -> None:
    def look(page: Page) -> None:
        page.goto(f"{console}architecture")
        expect(page.locator(".part").nth(20)).to_be_visible(timeout=60_000)
        page.wait_for_timeout(3_000)  # it is drawn again with what has happened

    assert longest_task(browser, first_visit, look) < LONGEST_TASK
