"""Secrets are hidden, and nothing else."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.history import token_values
from console.redaction import HIDDEN, Keyed, Redaction
from tests.unit.console.recorded import recorded

TOKEN = "AQCEAAAAKgAAAAMAAAAA/6f1b+c2=="
UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


@pytest.fixture
def redaction() -> Redaction:
    return Redaction()


@pytest.mark.parametrize(
    "value",
    [
        {"TaskToken": TOKEN},
        {"taskToken": TOKEN},
        {"Payload": [{"task_token": TOKEN}]},
        {"callbackToken": {"value": TOKEN}},
        {"Authorization": TOKEN},
        {"input": json.dumps({"Detail": json.dumps({"taskToken": TOKEN})})},
        f"https://b.s3.amazonaws.com/k?X-Amz-Credential=x&X-Amz-Signature={TOKEN}&a=1",
        f"https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIA&Signature={TOKEN}",
        f"https://example.com/sign?code={TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        f"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={TOKEN}",
        f"sending {{'taskToken': '{TOKEN}', 'n': 1}}",
        f"taskToken={TOKEN}",
    ],
    ids=str,
)
def test_a_secret_is_hidden_by_its_place(redaction: Redaction, value: Any) -> None:
    cleaned = json.dumps(redaction.clean(value), ensure_ascii=False)

    assert TOKEN not in cleaned
    assert "6f1b" not in cleaned
    assert HIDDEN in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "it is {} here",
        '{{"id": "{}"}}',
        "PREFIX-{}-suffix",
        "a={}&b",
        "(({}))",
        '[["{}", "{}"]]',
    ],
)
@pytest.mark.parametrize("token", [TOKEN, UUID])
def test_a_known_token_is_hidden_wherever_it_is(
    redaction: Redaction, text: str, token: str
) -> None:
    redaction.learn([token])

    assert token not in redaction.text(text.format(token, token))


def test_a_token_in_an_address_is_hidden_too(redaction: Redaction) -> None:
    redaction.learn([TOKEN])

    assert "6f1b" not in redaction.text(
        "https://example.com/AQCEAAAAKgAAAAMAAAAA%2F6f1b%2Bc2%3D%3D"
    )


@pytest.mark.parametrize(
    "value",
    [
        {"names": ["Ann"], "numberOfCookiesConsumed": 9, "ok": True, "none": None},
        {"tokens": 12, "nextToken": None},
        "arn:aws:states:us-east-1:000000000000:execution:signature:6f9619ff-8b86",
        {"Parameters": {"taskToken.$": "$$.Task.Token", "a.$": "$.a"}},
        '{"a": 1,   "b": [2]}',
        "<img src=x onerror=alert(1)>",
    ],
    ids=str,
)
def test_what_is_no_secret_stays_as_it_is(redaction: Redaction, value: Any) -> None:
    redaction.learn([TOKEN, UUID])

    assert redaction.clean(value) == value


def test_a_state_may_be_called_like_a_secret(redaction: Redaction) -> None:
    states = Keyed({"Send Token": {"status": "failed"}, "SendToken": {"status": "succeeded"}})

    assert redaction.clean({"states": states}) == {"states": states}
    assert redaction.clean({"States": {"SendToken": {"Type": "Pass"}}}) == {
        "States": {"SendToken": {"Type": "Pass"}}
    }


def test_tokens_of_a_run_are_found_by_its_definition() -> None:
    """Here the token is in a field called `id`: only the definition says what it is."""
    history = recorded("map-waiting").history

    tokens = [token for visit in history.visits for token in token_values(visit)]

    assert len(set(tokens)) == 2
    sent = [
        json.loads(visit.attempts[0].parameters or "") for visit in history.visits if visit.attempts
    ]
    assert {one["MessageBody"]["id"] for one in sent} == set(tokens)


def test_old_secrets_are_forgotten(redaction: Redaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.redaction.REMEMBERED", 3)
    redaction.learn(f"secret-number-{number:06}" for number in range(9))

    assert redaction.text("secret-number-000008") == HIDDEN
    assert redaction.text("secret-number-000001") == "secret-number-000001"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values, st.text("ABCabc019+/=-", min_size=20, max_size=60))
def test_nothing_learned_gets_through(value: Any, token: str) -> None:
    redaction = Redaction()
    redaction.learn([token])
    text = f"before {token} after"

    cleaned = redaction.clean([value, text, {"a": json.dumps({"b": [text]})}])

    assert token not in json.dumps(cleaned[1:])


@given(st.text())
def test_any_text_is_cleaned(text: str) -> None:
    redaction = Redaction()
    redaction.learn([UUID])

    assert isinstance(redaction.text(text), str)


@pytest.mark.parametrize(
    "text",
    [
        f"https://example.com/sign?code={TOKEN} and more",
        f"taskToken={TOKEN} and more",
        f"sending {{'taskToken': '{TOKEN}', 'n': 1}}",
    ],
    ids=str,
)
def test_what_is_hidden_already_stays_as_it_is(redaction: Redaction, text: str) -> None:
    once = redaction.text(text)

    assert redaction.text(once) == once


def test_the_event_log_s_hash_of_a_token_is_shown(redaction: Redaction) -> None:
    detail = {"TaskToken": "token:0123456789abcdef"}

    assert redaction.clean(detail) == detail


_NAMES = st.sampled_from(
    (
        *("id", "taskToken", "SECRET", "Passwd", "Paſſword", "API_KEY", "private-key"),
        *("x-amz-signature", "cookie", "Authorization", "key"),
    )
)
_TEXTS = st.sampled_from(
    ["plain", TOKEN, f"\n{TOKEN}", f"ü{TOKEN} ", f"/{TOKEN}", "a long word " * 3]
)
_NESTED = st.recursive(
    _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(_NAMES, inner, max_size=2)
        | st.builds(json.dumps, inner, ensure_ascii=st.booleans())
    ),
    max_leaves=5,
)


@given(_NESTED)
def test_looking_first_whether_a_text_has_a_secret_changes_nothing(value: Any) -> None:
    redaction, text = Redaction(), json.dumps(value)
    redaction.learn([TOKEN])

    quick = redaction.text(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("console.redaction._SUSPECT", ("",))
        assert quick == redaction.text(text)
    assert TOKEN not in quick


@pytest.mark.parametrize("part", ["z", "a-", "token", "token ", "\\", "secret=a", "&a"], ids=repr)
def test_a_long_text_takes_no_longer_than_its_length(redaction: Redaction, part: str) -> None:
    """Four times the length, about four times the time: sixteen would be quadratic."""

    def seconds(length: int) -> float:
        text = "?token " + part * (length // len(part))
        begun = time.process_time()
        redaction.text(text)
        return time.process_time() - begun

    seconds(10_000)
    short = max(seconds(100_000), 0.01)

    assert seconds(400_000) < 10 * short
