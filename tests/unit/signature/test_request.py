"""Ids of documents, times, and the public fields of a request."""

from dataclasses import replace
from typing import Any

import pytest

from handlers.shared.clock import iso
from handlers.signature.errors import InvalidDocumentIdError
from handlers.signature.request import SignatureRequest, Status, document_id, signature_of

REQUEST = SignatureRequest(
    request_id="r",
    document_id="3",
    signer="Bob",
    execution="e",
    requested_at=1_769_860_800,
    expires_at=1_769_860_860,
    page_url="https://api/signatures/r",
    task_token="a token",
    code_hashes=frozenset({"a hash"}),
)


@pytest.mark.parametrize("given", ["3", "a-b_c.d:Z9", "x" * 128, 3, -3, 2**53])
def test_a_document_id_is_a_string_or_a_whole_number(given: Any) -> None:
    assert document_id({"documentId": given}) == str(given)


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "ä", "a/b", "3\n", "x" * 129, None, True, False, 3.0, [], {}]
)
def test_any_other_document_id_is_invalid(given: Any) -> None:
    with pytest.raises(InvalidDocumentIdError):
        document_id({"documentId": given})


def test_times_are_in_utc_to_the_second() -> None:
    assert iso(1_769_860_800.999) == "2026-01-31T12:00:00Z"


def test_the_public_fields_have_no_secrets() -> None:
    fields = str(REQUEST.public())

    assert "a token" not in fields
    assert "a hash" not in fields
    assert "https://" not in fields


def test_a_finished_request_has_its_time_and_reason() -> None:
    declined = replace(REQUEST, status=Status.DECLINED, finished_at=1_769_860_801, reason="no")

    assert declined.public()["finishedAt"] == "2026-01-31T12:00:01Z"
    assert declined.public()["reason"] == "no"


@pytest.mark.parametrize(
    ("state", "is_open"),
    [
        ({"status": Status.PENDING}, True),
        ({"status": Status.SIGNED}, True),
        ({"status": Status.DECLINED}, True),
        ({"status": Status.SIGNED, "delivered": True}, False),
        ({"status": Status.DECLINED, "delivered": True}, False),
        ({"status": Status.SIGNED, "finalized": True}, False),
        ({"status": Status.EXPIRED}, False),
        ({"status": Status.CANCELLED}, False),
    ],
)
def test_a_request_is_open_until_the_decision_is_delivered(
    state: dict[str, Any], is_open: bool
) -> None:
    assert replace(REQUEST, **state).is_open is is_open


def test_a_request_is_pending_until_its_deadline() -> None:
    assert REQUEST.is_pending(REQUEST.expires_at - 0.001)
    assert not REQUEST.is_pending(REQUEST.expires_at)
    assert not replace(REQUEST, status=Status.SIGNED).is_pending(0)


def test_a_signature_has_the_form_of_the_executions_output() -> None:
    assert signature_of("Alice", "3", 1_769_860_800) == {
        "signer": "Alice",
        "documentId": "3",
        "signature": "Alice signed 3",
        "signedAt": "2026-01-31T12:00:00Z",
    }
