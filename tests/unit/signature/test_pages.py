"""Pages: all text is escaped, and no page needs a script."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from handlers.signature import pages
from handlers.signature.request import Status

from .test_request import REQUEST

HOSTILE = '<script>alert("x")</script>&\'"'
VOID = {"meta", "input", "br"}


class Document(HTMLParser):
    """The tags of a page, and whether each that was opened was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.unclosed: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag


HOSTILE_REQUEST = replace(
    REQUEST, document_id=HOSTILE, signer=HOSTILE, reason=HOSTILE, finished_at=1_769_860_801
)
PAGES = {
    "ask": pages.ask(HOSTILE_REQUEST, HOSTILE),
    "signed": pages.decided(replace(HOSTILE_REQUEST, status=Status.SIGNED), just_now=True),
    "declined": pages.decided(replace(HOSTILE_REQUEST, status=Status.DECLINED), just_now=True),
    "cancelled": pages.decided(replace(HOSTILE_REQUEST, status=Status.CANCELLED), just_now=False),
    "not found": pages.not_found(),
    "no decision": pages.no_decision(),
    "unavailable": pages.unavailable(),
}
every_page = pytest.mark.parametrize("html", PAGES.values(), ids=PAGES)


@every_page
def test_page_is_a_complete_document(html: str) -> None:
    document = Document(html)

    assert html.startswith("<!doctype html>")
    assert document.unclosed == []
    assert document.tags.count("h1") == document.tags.count("title") == 1
    assert ("html", "lang", "en") in document.attributes
    assert ("meta", "name", "viewport") in document.attributes


@every_page
def test_page_runs_no_script_and_loads_nothing(html: str) -> None:
    document = Document(html)

    assert not {"script", "img", "link", "iframe"} & set(document.tags)
    names = {name for _, name, _ in document.attributes}
    assert not {"style", "src", "href", "action"} & names
    assert not [name for name in names if name.startswith("on")]


@pytest.mark.parametrize("name", ["ask", "signed", "declined", "cancelled"])
def test_page_escapes_text(name: str) -> None:
    assert "<script>" not in PAGES[name]
    assert "&lt;script&gt;" in PAGES[name]


def test_page_to_sign_has_two_forms_and_a_labelled_field() -> None:
    document = Document(PAGES["ask"])

    assert document.tags.count("form") == 2
    assert [value for tag, name, value in document.attributes if (tag, name) == ("button", "value")]
    assert ("label", "for", "reason") in document.attributes
    assert ("textarea", "id", "reason") in document.attributes
    assert {value for tag, name, value in document.attributes if name == "method"} == {"post"}


def test_page_has_none_of_the_requests_secrets() -> None:
    for html in PAGES.values():
        assert "a token" not in html
        assert "a hash" not in html
