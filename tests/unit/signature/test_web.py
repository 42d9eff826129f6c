"""What a browser sends."""

import base64
from typing import Any

import pytest

from handlers.signature.web import MAX_FORM, form


def sent(body: str | None, kind: str = "application/x-www-form-urlencoded") -> dict[str, Any]:
    return {"headers": {"Content-Type": kind}, "body": body, "isBase64Encoded": False}


def test_a_form_has_its_fields() -> None:
    event = sent("decision=decline&reason=too+dear%3A+%E2%82%AC5&empty=")

    assert form(event) == {"decision": "decline", "reason": "too dear: €5", "empty": ""}


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_a_forms_type_may_have_a_character_set(name: str) -> None:
    event = sent("a=b") | {"headers": {name: "application/x-www-form-urlencoded; charset=utf-8"}}

    assert form(event) == {"a": "b"}


def test_a_form_may_be_encoded() -> None:
    event = sent(base64.b64encode(b"a=b").decode()) | {"isBase64Encoded": True}

    assert form(event) == {"a": "b"}


@pytest.mark.parametrize(
    "event",
    [
        sent('{"decision": "sign"}', "application/json"),
        sent("decision=sign", "text/plain"),
        sent("decision=sign&x=" + "y" * MAX_FORM),
        sent(None),
        {"body": "decision=sign"},
    ],
    ids=["JSON", "text", "too large", "nothing", "no headers"],
)
def test_what_is_no_form_has_no_fields(event: dict[str, Any]) -> None:
    assert form(event) == {}
