"""Codes: long, random, compared by their hashes."""

import base64

from handlers.signature.codes import hash_of, is_one_of, new_code


def test_a_code_has_256_bits_and_is_unique() -> None:
    codes = {new_code() for _ in range(100)}

    assert len(codes) == 100
    assert {len(base64.urlsafe_b64decode(f"{code}=")) * 8 for code in codes} == {256}


def test_a_code_matches_its_own_hash_only() -> None:
    first, second = new_code(), new_code()

    assert is_one_of(first, [hash_of(second), hash_of(first)])
    assert not is_one_of(first, [hash_of(second)])
    assert not is_one_of(hash_of(first), [hash_of(first)])


def test_no_code_matches_without_hashes() -> None:
    assert not is_one_of("", [])
    assert not is_one_of(new_code(), [])


def test_all_hashes_are_compared_whichever_matches() -> None:
    """The time of a comparison tells neither how many hashes there are nor which one matches."""
    code = new_code()
    hashes = [hash_of(new_code()), hash_of(code), hash_of(new_code())]

    assert is_one_of(code, hashes)
    assert is_one_of(code, reversed(hashes))
