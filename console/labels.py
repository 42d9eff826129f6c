"""Labels: what people call a run, because a UUID tells them nothing.

The best label is the shortest text in a small input: a document's id, a file's name. A text that
most runs of a machine share, such as the type of an event, says nothing about one of them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

MAX_LENGTH = 60
MAX_INPUT = 4_096  # characters of an input in which labels are looked for
ENOUGH = 3  # runs of a machine, from which on it is known what they share
_NO_LABEL = ("arn:", "{", "[", "http://", "https://")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Labels:
    """Those of a machine's runs."""

    def __init__(self) -> None:
        self._runs = 0
        self._texts: Counter[str] = Counter()

    def add(self, found: Iterable[str]) -> None:
        """Count the texts of one more run."""
        self._runs += 1
        self._texts.update(set(found))

    def of(self, found: Iterable[str], name: str) -> str:
        """The label of a run with these texts. Without one, its name; of a UUID the first part."""
        best = next((text for text in found if not self._is_common(text)), None)
        return best or (name.partition("-")[0] if _UUID.fullmatch(name) else name)

    def _is_common(self, text: str) -> bool:
        return self._runs >= ENOUGH and self._texts[text] * 2 > self._runs


def texts(given: Any) -> tuple[str, ...]:
    """The texts in an execution's input that may be its label, the shortest first."""
    if not isinstance(given, str) or len(given) > MAX_INPUT:
        return ()
    try:
        value = json.loads(given)
        if isinstance(value, dict) and "detail-type" in value:  # an event: not its envelope
            value = value.get("detail")
        return tuple(sorted(_texts(value), key=len))
    except (ValueError, RecursionError):
        return ()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if 2 < len(value) <= MAX_LENGTH and not value.startswith(_NO_LABEL):
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if "token" not in str(key).lower() and "secret" not in str(key).lower():
                yield from _texts(item)
