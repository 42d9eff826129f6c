"""Removes secrets from values that are stored or shown.

The catalogue names fields with secrets. Because events may have other fields, too, names and values
that look like secrets are also removed, even in JSON inside a string.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from handlers.observability.catalogue import REMOVED_FIELDS, TOKENS
from handlers.observability.timeline import REMOVED

_TOKEN_NAME = re.compile(r"token", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"passw|secret|credential|authorization|(api|private|access|session|signing)[_-]?key"
    r"|(pre)?signed[_-]?ur[il]",
    re.IGNORECASE,
)
# The parameters that make a URL a secret, because whoever has it can use it.
_SECRET_PARAMETER = re.compile(
    r"x-amz-[a-z-]{1,40}|[a-z_-]{0,40}(signature|token|code|secret|password|key|sig)", re.IGNORECASE
)
# Access key ids, and the credentials of an Authorization header.
_SECRET_TEXT = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\b(?:Bearer|Basic) [\w+/=.~-]{8,}",
)
# The words of a text, such as URLs.
_WORD = re.compile(r"[^\s\"'<>]+")
_JSON_IN_BASE64 = "eyJ"  # how an object begins
# How task tokens of Step Functions begin, in a text such as an error's cause.
_TOKEN_TEXT = re.compile(r"\b(?:AQC|AAAAK)[A-Za-z0-9+/=_-]{60,}")


def token_hash(key: bytes) -> Callable[[str], str]:
    """A function that hashes task tokens: equal for equal tokens, but useless as a token."""

    def hashed(token: str) -> str:
        digest = hmac.digest(key, token.encode(errors="surrogatepass"), hashlib.sha256)
        return f"token:{digest.hex()[:16]}"

    return hashed


def without_secrets(value: Any, hashed: Callable[[str], str]) -> Any:
    """The value without secrets, at any depth; `hashed` replaces tokens.

    Raises RecursionError if the value is nested too deep to be searched.
    """
    if isinstance(value, dict):
        return {name: _field(str(name), item, hashed) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item, hashed) for item in value]
    return _text(value, hashed) if isinstance(value, str) else value


def _field(name: str, value: Any, hashed: Callable[[str], str]) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if name in REMOVED_FIELDS or _SECRET_NAME.search(name):
        return REMOVED
    if name in TOKENS or _TOKEN_NAME.search(name):
        return hashed(value) if isinstance(value, str) else REMOVED
    return without_secrets(value, hashed)


def _text(text: str, hashed: Callable[[str], str]) -> str:
    if text.lstrip()[:1] in ("{", "["):
        try:
            parsed = json.loads(text)
            shown = without_secrets(parsed, hashed)
        except RecursionError:  # nested too deep to be searched
            return REMOVED
        except ValueError:
            pass  # no JSON
        else:
            return text if shown == parsed else json.dumps(shown)
    text = _SECRET_TEXT.sub(REMOVED, text)
    text = _TOKEN_TEXT.sub(lambda found: hashed(found[0]), text)
    if "://" in text or _JSON_IN_BASE64 in text:
        text = _WORD.sub(lambda found: _word(found[0]), text)
    return text


def _word(word: str) -> str:
    """The word, but without the secret query of a URL, and without a JSON Web Token."""
    address, _, query = word.partition("?")
    if "://" in address and any(
        _SECRET_PARAMETER.fullmatch(parameter.partition("=")[0])
        for parameter in re.split("[&;]", query)
    ):
        return f"{address}?{REMOVED}"
    parts = word.split(".")
    # The first two parts of a JSON Web Token are JSON objects.
    is_token = any(
        _JSON_IN_BASE64 in header and payload.startswith(_JSON_IN_BASE64)
        for header, payload in pairwise(parts)
    )
    return REMOVED if is_token else word
