"""No secret is left in what is stored, whatever an event looks like."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.observability.redaction import token_hash, without_secrets
from handlers.observability.timeline import STORED_TOKEN

# As AWS makes them; both are made up.
TOKEN = "AQCMAAAAKgAAAAMAAAAAAAAAAe" + "4xTq0Zk9" * 20 + "=="
URL = "https://bucket.s3.amazonaws.com/a.json?X-Amz-Credential=x&X-Amz-Signature=f00dbabe"

hashed = token_hash(b"k" * 32)
names = st.text(max_size=5) | st.sampled_from(["TaskToken", "MyTaskToken", "profileUrl", "detail"])
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8)


def hidden(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value somewhere inside another one, perhaps as JSON text."""
    return st.one_of(
        st.builds(lambda name, value: {name: value}, names, inner),
        st.builds(lambda before, value: [before, value], leaves, inner),
        inner.map(json.dumps).filter(lambda text: text[0] in "[{"),
    )


def secret(value: Any) -> st.SearchStrategy[Any]:
    return st.recursive(st.just(value), hidden, max_leaves=1)


@given(secret({"TaskToken": "0b0e0c4e-7b33"}))
def test_a_catalogued_token_is_hashed_at_any_depth(value: Any) -> None:
    assert "0b0e0c4e-7b33" not in json.dumps(without_secrets(value, hashed))


@given(secret({"profileUrl": "https://x.example/plain"}))
def test_a_catalogued_url_is_removed_at_any_depth(value: Any) -> None:
    assert "x.example" not in json.dumps(without_secrets(value, hashed))


@given(secret({"note": f"see {URL} or {TOKEN}, please"}))
def test_what_looks_like_a_secret_is_removed_at_any_depth(value: Any) -> None:
    shown = json.dumps(without_secrets(value, hashed))

    assert "f00dbabe" not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "tiger"),
        ("clientSecret", "tiger"),
        ("api_key", "tiger"),
        ("Authorization", "tiger"),
        ("awsCredentials", {"id": "tiger"}),
        ("presignedUrl", "tiger"),
        ("sessionToken", "tiger"),
        ("tokens", ["tiger"]),
        ("note", "Bearer tiger-tiger-tiger"),
        ("note", "Basic dGlnZXI6dGlnZXI="),
        ("note", "AKIATIGERTIGERTIGER1"),
        ("note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0aWdlciJ9.tiger"),
        ("note", "https://x.example/p?code=tiger"),
        ("note", "https://x.example/p?a=1&access_token=tiger&b=2"),
        ("note", "see <https://x.example/p?Signature=tiger>"),
        ("note", '{"password": "tiger"}'),
        ("note", '[{"a": "{\\"password\\": \\"tiger\\"}"}]'),
    ],
)
def test_fields_that_the_catalogue_does_not_know_are_judged(name: str, value: Any) -> None:
    shown = json.dumps(without_secrets({name: value}, hashed))

    assert "tiger" not in shown.lower()


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ada", "n": 3, "numberOfCookiesConsumed": 9},
        {"cause": "The task token has expired", "tokenCount": 3, "nextToken": None},
        {"baseUrl": "https://x.example/a?page=2&size=10"},
        {"secretary": 3, "document": {"documentId": "4-1"}},
        {"text": "[not JSON", "json": '{"a": [1, 2.50]}'},
    ],
)
def test_what_is_no_secret_stays_as_it_is(value: Any) -> None:
    assert without_secrets(value, hashed) == value


def test_the_hops_of_one_task_can_be_told_from_anothers() -> None:
    one, same, other = (
        without_secrets({"TaskToken": token}, hashed)["TaskToken"]
        for token in (TOKEN, TOKEN, TOKEN + "x")
    )

    assert one == same != other
    assert STORED_TOKEN.fullmatch(one)


def test_another_stage_has_other_hashes() -> None:
    assert hashed(TOKEN) != token_hash(b"x" * 32)(TOKEN)


def test_a_token_in_a_text_is_the_same_as_in_its_field() -> None:
    assert without_secrets(f"token {TOKEN}", hashed) == f"token {hashed(TOKEN)}"


def test_a_token_may_be_any_text() -> None:
    assert STORED_TOKEN.fullmatch(hashed("\ud800"))
