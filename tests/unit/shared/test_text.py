"""Texts from outside are one line, printable and of bounded length."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.shared.text import is_utf8, one_line, replace_surrogates


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Page 2 is wrong", "Page 2 is wrong"),
        ("  a\r\n\tb  ", "a b"),
        ("3\r\nBcc: eve@example.com", "3 Bcc: eve@example.com"),
        ("a\u2028b\u2029c\x85d\x0be\x1cf", "a b c d e f"),
        ("\x1b[2Ja\x00b\x07", "[2Jab"),
        ("invoice\u202excod.exe", "invoicexcod.exe"),
        ("\u2066a\u2069 \u200eb\u200f \u061cc", "a b c"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("a \u202e b", "a b"),
        ("\ud800x", "x"),
        ("👩\u200d👧 Ä ß 漢字 שלום", "👩\u200d👧 Ä ß 漢字 שלום"),
        ("", ""),
        (3, "3"),
        (None, "None"),
    ],
    ids=ascii,
)
def test_a_text_becomes_one_line(text: object, line: str) -> None:
    assert one_line(text, 100) == line


def test_a_long_text_is_cut_and_ends_with_an_ellipsis() -> None:
    assert one_line("x" * 11, 10) == "x" * 9 + "…"
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 5_000_000, 10) == "x" * 9 + "…"


@given(st.text(), st.integers(1, 50))
def test_any_text_becomes_printable_and_within_the_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)

    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in line} & {
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    }
    assert one_line(line, limit) == line


@pytest.mark.parametrize(
    ("text", "replaced"),
    [("Ä 漢字 👧", "Ä 漢字 👧"), ("a\ud800b", "a?b"), ("\udc00\ud800", "??"), ("", "")],
    ids=ascii,
)
def test_each_lone_surrogate_becomes_a_question_mark(text: str, replaced: str) -> None:
    assert replace_surrogates(text) == replaced
    assert is_utf8(replaced)
