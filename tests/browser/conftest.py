"""A headless Chromium, the system's own: Playwright brings none and downloads none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

# The headless shell, a package of its own in Debian, needs half of the processor time.
NAMES = (
    *("chromium-headless-shell", "chrome-headless-shell"),
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
)
PHONE: ViewportSize = {"width": 390, "height": 844}
EVIL = "evil.example"  # a name whose owner lets it lead to this machine


# Pages live for seconds: V8's optimizing compilers cost more than they save.
NOT_OPTIMIZED = "--js-flags=--no-opt --no-maglev"


# Of this package: while Playwright runs, an event loop is running in this thread, and tests of
# other packages could not use `asyncio.run`.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched(NOT_OPTIMIZED) as browser:
        yield browser


@contextmanager
def launched(*options: str) -> Iterator[Browser]:
    """A browser. Without one on this machine, the test is skipped."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        missing = f"no Chromium on this machine: none of {', '.join(NAMES)} is on the PATH"
        if os.environ.get("CI"):  # it would go unnoticed there
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            args=[
                "--disable-gpu",
                "--disable-background-networking",
                f"--host-resolver-rules=MAP {EVIL} 127.0.0.1",
                *options,
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page on a phone whose owner has switched JavaScript off."""
    with closing(
        browser.new_context(
            viewport=PHONE, device_scale_factor=2, is_mobile=True, java_script_enabled=False
        )
    ) as context:
        context.set_default_timeout(30_000)
        yield context.new_page()
