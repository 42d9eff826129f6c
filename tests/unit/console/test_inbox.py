"""Mails as the emulator records them."""

from typing import Any

import pytest

from console.inbox import headers, html_of, links, summary, text_of

MAIL: dict[str, Any] = {
    "MessageId": "m@email.amazonses.com",
    "Source": "us@example.com",
    "To": ["you@example.com"],
    "CC": [],
    "Subject": "Hello",
    "BodyText": "Look at http://example.com/a?code=x, or\nhttps://example.com/b.",
    "BodyHtml": "<p>Look</p>",
    "Timestamp": 1_800_000_000.5,
    "Type": "SendEmail",
    "ConfigurationSetName": "ours",
}


def test_a_mail_in_the_list() -> None:
    assert summary(MAIL) == {
        "id": "m@email.amazonses.com",
        "at": 1_800_000_000_500,
        "from": "us@example.com",
        "to": ["you@example.com"],
        "cc": [],
        "bcc": [],
        "subject": "Hello",
        "preview": "Look at http://example.com/a?code=x, or https://example.com/b.",
    }


def test_links_end_before_punctuation() -> None:
    assert links(MAIL) == ["http://example.com/a?code=x", "https://example.com/b"]


def test_links_of_a_mail_without_text_are_in_its_html() -> None:
    mail = {**MAIL, "BodyText": "", "BodyHtml": '<a href="https://example.com/?a=1&amp;b=2">x</a>'}

    assert links(mail) == ["https://example.com/?a=1&b=2"]


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "ftp://example.com/x", "file:///etc/passwd"]
)
def test_only_web_addresses_are_links(link: str) -> None:
    assert links({**MAIL, "BodyText": f"Look: {link}"}) == []


def test_a_mail_made_from_a_template() -> None:
    mail = {"MessageId": "m", "RenderedSubject": "S", "RenderedBodyText": "T", "BodyHtml": None}

    assert summary(mail)["subject"] == "S"
    assert text_of(mail) == "T"
    assert html_of(mail) == ""


def test_headers_have_what_the_emulator_knows_beside_the_body() -> None:
    found = {one["name"]: one["value"] for one in headers(MAIL)}

    assert found["From"] == "us@example.com"
    assert found["ConfigurationSetName"] == "ours"
    assert not {"BodyText", "BodyHtml", "CC"} & found.keys()
