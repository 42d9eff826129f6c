"""Removes task tokens and other secrets from everything that leaves the server.

A task token is a secret: whoever has it can complete or fail the task. Hidden are

- the values of fields whose names say that they are secrets, such as `TaskToken`, `nextToken` or
  `Authorization`, also in JSON inside a string;
- a value that is known to be a token (`learn`), wherever it occurs in a text;
- signatures and credentials in presigned URLs and headers, and codes in links.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import quote

HIDDEN = "•••••• hidden"
REMEMBERED = 50_000  # secrets; the oldest are forgotten
SHORTEST = 16  # characters of a secret that is searched for in texts

_SECRET_NAME = re.compile(
    r".*(token|secret|passw(or)?d|authorization|api[-_]?key|private[-_]?key).*"
    r"|(set-)?cookie|x-amz-(signature|credential)",
    re.IGNORECASE | re.DOTALL,
)
# What is hidden already stays as it is: a text may come through here twice.
_VALUE = r"(?!•{6})[^&\s\"'<>\\,]+"
# No pattern begins with a repetition, and those inside are bounded where they can begin at every
# letter: otherwise a word of 200,000 letters takes minutes.
_IN_TEXT = (
    # Presigned URLs: Signature Version 4, and 2.
    re.compile(
        rf"(?i)\b((?:X-Amz-(?:Signature|Security-Token|Credential)|AWSAccessKeyId|Signature)=){_VALUE}"
    ),
    # Links with a secret of their own.
    re.compile(rf"(?i)([?&#](?:code|[\w-]*token|secret|sig|[\w-]*key|password)=){_VALUE}"),
    # Headers.
    re.compile(r"(?i)\b(AWS4-HMAC-SHA256\s+)Credential=[^\"'\\\r\n]+"),
    re.compile(r"(?i)\b((?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"),
    # A field in a text that is not JSON as a whole: a log line, the `repr` of an event.
    re.compile(
        r"(?i)((?:token|secret|passw(?:or)?d|authorization|(?:api|private)[-_]?key)"
        r"[\w-]{0,64}\\{0,8}[\"']?\s{0,8}[:=]\s{0,8}\\{0,8}[\"'])"
        r"(?!•{6})[^\"'\\]+"
    ),
    re.compile(rf"(?i)((?:token|password|secret)\s*=\s*)(?![\"'\\]){_VALUE}"),
)
_HASH_OF_TOKEN = re.compile("token:[0-9a-f]{16}")
# Every text that a pattern above finds something in has one of these. It is quicker to look first.
_HINTS = (
    *("token", "secret", "passw", "authorization", "signature", "credential", "accesskey"),
    *("apikey", "api-key", "api_key", "privatekey", "private-key", "private_key"),
    *("bearer", "basic", "?", "&", "#"),
)
# A text without any of these has no field with a secret's name either.
_SUSPECT = (
    *_HINTS,
    *("cookie", "x-amz-"),
)
_ESCAPED = re.compile(r'\\[^"\\]')  # in JSON: a letter that only a reader of JSON can tell
_WORD = re.compile(rf"[\w+/=.~%-]{{{SHORTEST},}}")
_START = re.compile(r"(?:^|(?<=[^A-Za-z0-9]))[A-Za-z0-9]")


class Keyed(dict[str, Any]):
    """A dictionary whose keys are ids, of states for example, and no names of fields."""


class Redaction:
    """Hides secrets. It remembers the task tokens that it has seen."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._beginnings: dict[str, set[str]] = {}
        self._lock = Lock()

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these values wherever they occur from now on."""
        with self._lock:
            for secret in secrets:
                for form in {secret, quote(secret, safe="")}:
                    if len(form) >= SHORTEST and form not in self._known:
                        self._known[form] = None
                        self._beginnings.setdefault(form[:SHORTEST], set()).add(form)
            while len(self._known) > REMEMBERED:
                oldest, _ = self._known.popitem(last=False)
                self._beginnings[oldest[:SHORTEST]].discard(oldest)

    def learn_from(self, value: Any) -> None:
        """Learn the tokens in a value: strings in fields named like a token."""
        self.learn(_tokens(value))

    def clean(self, value: Any) -> Any:
        """The value without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            if isinstance(value, Keyed):
                return {key: self.clean(item) for key, item in value.items()}
            return {
                key: _hidden(item)
                if _is_secret(key)
                else self.clean(Keyed(item) if key == "States" and isinstance(item, dict) else item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        return value

    def text(self, text: str) -> str:
        """A text without secrets. JSON stays JSON."""
        folded = text.casefold()
        if not _ESCAPED.search(text) and not any(hint in folded for hint in _SUSPECT):
            return self._without_tokens(text)
        if text[:1] in ("{", "[", '"') or text[:1].isspace():
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                pass
            else:
                if isinstance(value, dict | list | str):
                    cleaned = self.clean(value)
                    if cleaned == value:
                        return text
                    return json.dumps(cleaned, ensure_ascii=False)
        if any(hint in folded for hint in _HINTS):
            for pattern in _IN_TEXT:
                text = pattern.sub(rf"\1{HIDDEN}", text)
        return self._without_tokens(text)

    def _without_tokens(self, text: str) -> str:
        """A text without the tokens that are known."""
        return _WORD.sub(self._without_known, text) if self._known else text

    @staticmethod
    def is_redacted(text: str) -> bool:
        """Whether a text has a place where something was hidden."""
        return HIDDEN in text or json.dumps(HIDDEN)[1:-1] in text

    def _without_known(self, match: re.Match[str]) -> str:
        word = match[0]
        if word in self._known:
            return HIDDEN
        parts, end = [], 0
        for start in _START.finditer(word):
            at = start.start()
            if at < end:
                continue
            for secret in tuple(self._beginnings.get(word[at : at + SHORTEST], ())):
                if word.startswith(secret, at):
                    parts += [word[end:at], HIDDEN]
                    end = at + len(secret)
                    break
        return "".join([*parts, word[end:]])


@lru_cache(4096)
def _is_secret(name: Any) -> bool:
    return isinstance(name, str) and _SECRET_NAME.fullmatch(name) is not None


def _hidden(value: Any) -> Any:
    """What is shown for the value of a secret field. Numbers (`tokenCount`) are no secrets."""
    if value is None or isinstance(value, bool | int | float) or value in ("", [], {}):
        return value
    if isinstance(value, str) and value.startswith(("$.", "$$.", "States.", "{%")):
        return value  # a definition: it says where the token comes from
    if isinstance(value, str) and _HASH_OF_TOKEN.fullmatch(value):
        return value  # from the event log: it tells tasks apart, and completes none
    return HIDDEN


def _tokens(value: Any, named: bool = False) -> Iterator[str]:
    if isinstance(value, str):
        if named:
            yield value
        elif value[:1] in ("{", "["):
            try:
                yield from _tokens(json.loads(value))
            except (ValueError, RecursionError):
                return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tokens(item, isinstance(key, str) and "token" in key.lower())
    elif isinstance(value, list):
        for item in value:
            yield from _tokens(item, named)
