"""The code in a signer's link: a secret of 256 random bits. Only its hash is stored."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

CODE_BYTES = 32
# Compared each time, so that a request without hashes takes time as well.
_DUMMY_HASH = hashlib.sha256(b"").hexdigest()


def new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)


def hash_of(code: str) -> str:
    """The hash needs no salt and need not be slow: 256 random bits cannot be guessed."""
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()


def is_one_of(code: str, hashes: Iterable[str]) -> bool:
    """Whether the code's hash is one of the hashes. The time taken does not depend on the code."""
    code_hash = hash_of(code)
    matches = [hmac.compare_digest(code_hash, known) for known in (*hashes, _DUMMY_HASH)]
    return any(matches[:-1])
