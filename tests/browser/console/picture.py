"""`python -m tests.browser.console.picture`: take the README's picture, a run that waits for Bob.

It starts a run of the signature workflow on the local AWS, which must be running (`make up`), and
needs Chromium on the PATH.
"""

import shutil
import sys

from playwright.sync_api import expect, sync_playwright

from local.aws import Aws
from local.settings import ROOT, Settings
from local.signing import Signing
from tests.browser.conftest import NAMES
from tests.browser.console.conftest import run_page

PICTURE = ROOT / "docs" / "console.png"
SCREEN = {"width": 1280, "height": 800}
DOCUMENT = "lease-2026-11"
LARGEST = 150_000  # bytes


def main() -> int:
    aws = Aws(Settings.from_environment())
    signing = Signing(aws)
    execution = signing.start(DOCUMENT)
    signing.link(DOCUMENT)  # its mail is there: Bob has been asked
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-gpu"])
        page = browser.new_page(viewport=SCREEN, color_scheme="light")  # type: ignore[arg-type]
        page.goto(run_page(aws.settings.console, execution))
        expect(page.locator(".node.is-waiting", has_text="Bob Signature")).to_be_visible()
        # The logs of the functions come a moment later.
        expect(page.locator(".timeline-row", has_text="requestDocumentSignature")).to_be_visible()
        page.screenshot(path=PICTURE)
        browser.close()
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size} bytes")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
