"""Forms that a browser sends."""

import base64
from typing import Any

import pytest

from handlers.signature.web import MAX_FORM, form


def form_event(
    body: str | None, content_type: str = "application/x-www-form-urlencoded"
) -> dict[str, Any]:
    return {"headers": {"Content-Type": content_type}, "body": body, "isBase64Encoded": False}


def test_a_form_has_its_fields() -> None:
    event = form_event("decision=decline&reason=too+dear%3A+%E2%82%AC5&empty=")

    assert form(event) == {"decision": "decline", "reason": "too dear: €5", "empty": ""}


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_the_content_type_of_a_form_may_have_a_charset(name: str) -> None:
    event = form_event("a=b") | {
        "headers": {name: "application/x-www-form-urlencoded; charset=utf-8"}
    }

    assert form(event) == {"a": "b"}


def test_a_form_may_be_base64_encoded() -> None:
    event = form_event(base64.b64encode(b"a=b").decode()) | {"isBase64Encoded": True}

    assert form(event) == {"a": "b"}


@pytest.mark.parametrize(
    "event",
    [
        form_event('{"decision": "sign"}', "application/json"),
        form_event("decision=sign", "text/plain"),
        form_event("decision=sign&x=" + "y" * MAX_FORM),
        form_event(None),
        {"body": "decision=sign"},
    ],
    ids=["JSON", "text", "too large", "no body", "no headers"],
)
def test_a_body_that_is_not_a_form_has_no_fields(event: dict[str, Any]) -> None:
    assert form(event) == {}
