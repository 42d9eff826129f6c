"""Bob, his phone and the page that the link in his mail opens."""

import json
import os
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from local.aws import Aws
from local.signing import Signing
from tests.e2e.signature.test_signing import leave_undelivered

MIN_TOUCH = 44  # CSS pixels: WCAG 2.5.5


@pytest.fixture
def signing(aws: Aws) -> Signing:
    return Signing(aws)


@pytest.fixture
def document() -> str:
    return f"contract-{uuid.uuid4().hex[:8]}"


def save_screenshot(page: Page, name: str) -> None:
    """Save a screenshot if STEPWORKS_SCREENSHOTS names a folder."""
    if folder := os.environ.get("STEPWORKS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_bob_signs(signing: Signing, document: str, phone: Page) -> None:
    execution = signing.start(document)

    phone.goto(signing.link(document))
    expect(phone.get_by_role("heading", level=1)).to_have_text(f"Sign document {document}")
    expect(phone.get_by_text("owner@example.com").first).to_be_visible()
    expect(phone.get_by_text("UTC")).to_be_visible()
    save_screenshot(phone, "ask")
    phone.get_by_role("button", name=f"Sign document {document}").click()

    expect(phone.get_by_role("heading", level=1)).to_have_text(f"You signed document {document}")
    expect(phone.get_by_role("status")).to_contain_text("Thank you.")
    expect(phone.get_by_role("button")).to_have_count(0)
    save_screenshot(phone, "signed")
    ended = signing.aws.wait_for_end(execution)
    assert json.loads(ended["output"])["signatures"][1]["signature"] == f"Bob signed {document}"


def test_bob_sends_again_what_was_not_delivered(
    signing: Signing, document: str, phone: Page
) -> None:
    execution = signing.start(document)
    link = signing.link(document)
    leave_undelivered(signing, link)

    phone.goto(link)
    expect(phone.get_by_role("heading", level=1)).to_have_text(
        "Your signature is stored, but not delivered yet"
    )
    expect(phone.get_by_role("status")).to_contain_text("has not confirmed it")
    save_screenshot(phone, "undelivered")
    phone.get_by_role("button", name="Send it again").click()

    expect(phone.get_by_role("heading", level=1)).to_have_text(f"You signed document {document}")
    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_bob_declines_with_a_reason(signing: Signing, document: str, phone: Page) -> None:
    execution = signing.start(document)
    reason = 'Page 3 says "<script>alert(1)</script>" & costs €5'

    phone.goto(signing.link(document))
    phone.get_by_label("Reason").fill(reason)
    phone.get_by_role("button", name="Decline to sign").click()

    expect(phone.get_by_role("heading", level=1)).to_have_text(
        f"You declined to sign document {document}"
    )
    expect(phone.get_by_text(reason)).to_be_visible()
    save_screenshot(phone, "declined")
    ended = signing.aws.wait_for_end(execution)
    assert ended["error"] == "SignatureDeclinedError"
    assert reason in ended["cause"]


def test_a_wrong_code_shows_no_document(signing: Signing, document: str, phone: Page) -> None:
    signing.start(document)
    link = signing.link(document)
    unknown = f"{link.partition('/signatures/')[0]}/signatures/{uuid.uuid4()}?code=x"

    pages = []
    for wrong in (f"{link}x", link.partition("?")[0], unknown):
        response = phone.goto(wrong)
        assert response is not None
        pages.append((response.status, phone.content()))
        expect(phone.get_by_role("heading", level=1)).to_have_text("There is nothing to sign here")

    save_screenshot(phone, "nothing")
    assert len(set(pages)) == 1  # no telling which it was
    assert pages[0][0] == 404
    assert document not in pages[0][1]
    assert len(signing.requests("pending", document)) == 1


def test_a_second_visit_shows_the_decision_without_buttons(
    signing: Signing, document: str, phone: Page
) -> None:
    execution = signing.start(document)
    link = signing.link(document)
    phone.goto(link)
    phone.get_by_role("button", name=f"Sign document {document}").click()
    expect(phone.get_by_role("status")).to_contain_text("Thank you.")

    phone.goto(link)

    expect(phone.get_by_role("heading", level=1)).to_have_text(f"You signed document {document}")
    expect(phone.get_by_role("status")).to_contain_text("This request was already finished")
    expect(phone.get_by_role("button")).to_have_count(0)
    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_opening_the_page_changes_nothing(signing: Signing, document: str, phone: Page) -> None:
    """Mail scanners follow every link."""
    signing.start(document)
    link = signing.link(document)

    for _ in range(3):
        phone.goto(link)

    (request,) = signing.requests("pending", document)
    assert request["status"] == "PENDING"


def test_a_double_tap_signs_once(signing: Signing, document: str, phone: Page) -> None:
    execution = signing.start(document)

    phone.goto(signing.link(document))
    phone.get_by_role("button", name=f"Sign document {document}").dblclick(no_wait_after=True)

    expect(phone.get_by_role("heading", level=1)).to_have_text(f"You signed document {document}")
    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_the_page_works_with_a_keyboard_only(signing: Signing, document: str, phone: Page) -> None:
    execution = signing.start(document)

    phone.goto(signing.link(document))
    phone.keyboard.press("Tab")
    expect(phone.get_by_role("button", name=f"Sign document {document}")).to_be_focused()
    phone.keyboard.press("Tab")
    expect(phone.get_by_label("Reason")).to_be_focused()
    phone.keyboard.type("no time")
    phone.keyboard.press("Tab")
    expect(phone.get_by_role("button", name="Decline to sign")).to_be_focused()
    phone.keyboard.press("Enter")

    expect(phone.get_by_role("heading", level=1)).to_contain_text("You declined")
    assert "no time" in signing.aws.wait_for_end(execution)["cause"]


def test_the_page_fits_a_phone_and_a_finger(signing: Signing, document: str, phone: Page) -> None:
    signing.start(document)
    phone.set_viewport_size({"width": 320, "height": 600})

    phone.goto(signing.link(document))

    for button in phone.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= MIN_TOUCH
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
    assert phone.evaluate("document.documentElement.scrollWidth") <= 320
    save_screenshot(phone, "small")


def test_the_page_loads_nothing_else_and_satisfies_its_own_policy(
    signing: Signing, document: str, phone: Page
) -> None:
    signing.start(document)
    link = signing.link(document)
    requested, console_messages = [], []
    phone.on("request", lambda request: requested.append(request.url))
    phone.on("console", lambda message: console_messages.append(message.text))

    response = phone.goto(link)

    assert response is not None
    assert requested == [link]
    assert console_messages == []  # of the Content-Security-Policy about its own style
    button = phone.get_by_role("button", name=f"Sign document {document}")
    assert "rgb(20, 99, 47)" in phone.evaluate(
        "e => getComputedStyle(e).backgroundColor", button.element_handle()
    )
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
