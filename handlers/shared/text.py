"""Texts from outside: checked, and made fit for a mail, a page or a log."""

import re
import unicodedata

# What changes how the text around it looks, or is not seen at all: control characters, surrogates,
# and format characters, which turn the direction of writing among others. The joiners between the
# parts of an emoji and between some letters are format characters as well, and stay.
_REMOVED = frozenset({"Cc", "Cs", "Cf"})
_JOINERS = frozenset("\u200c\u200d")


def one_line(text: object, limit: int) -> str:
    """The text as one line of printable characters, shortened to `limit` characters.

    Line breaks and other white space become a space each; a run of them becomes one.
    """
    words = re.split(r"\s+", str(text)[: 4 * limit])
    line = " ".join(word for word in map(_printable, words) if word)
    return shortened(line, limit)


def shortened(text: str, limit: int) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; half of a surrogate pair (`\\ud800`) cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(word: str) -> str:
    return "".join(
        character
        for character in word
        if character in _JOINERS or unicodedata.category(character) not in _REMOVED
    )
