"""The secret in a signer's link: 256 random bits, of which only hashes are kept."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

CODE_BYTES = 32
_NOBODYS = hashlib.sha256(b"").hexdigest()  # compared with where there is nothing to compare with


def new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)


def hash_of(code: str) -> str:
    """No salt and no slowness: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()


def is_one_of(code: str, hashes: Iterable[str]) -> bool:
    """Whether the code's hash is among the hashes, in a time that does not depend on it."""
    given = hash_of(code)
    matches = [hmac.compare_digest(given, known) for known in (*hashes, _NOBODYS)]
    return any(matches[:-1])
