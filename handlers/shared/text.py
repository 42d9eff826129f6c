"""Checks text from outside and makes it safe to show in a mail, a page or a log."""

import re
import unicodedata

# Invisible characters and characters that change how the text around them looks: control
# characters, surrogates and format characters, such as bidirectional controls. Joiners are format
# characters too, but stay: they connect the parts of an emoji and some letters.
_REMOVED = frozenset({"Cc", "Cs", "Cf"})
_JOINERS = frozenset("\u200c\u200d")


def one_line(text: object, limit: int) -> str:
    """The text as one line of printable characters, shortened to `limit` characters.

    Each run of line breaks and other white space becomes one space.
    """
    words = re.split(r"\s+", str(text)[: 4 * limit])
    line = " ".join(word for word in map(_printable, words) if word)
    return shortened(line, limit)


def shortened(text: str, limit: int) -> str:
    """The text; if it is too long, as much of its start as fits with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_utf8(text: str) -> bool:
    """Whether a text can be encoded as UTF-8; a lone surrogate (`\\ud800`) cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def replace_surrogates(text: str) -> str:
    """The text as valid UTF-8: each lone surrogate becomes a question mark."""
    return text.encode(errors="replace").decode()


def _printable(word: str) -> str:
    return "".join(
        character
        for character in word
        if character in _JOINERS or unicodedata.category(character) not in _REMOVED
    )
