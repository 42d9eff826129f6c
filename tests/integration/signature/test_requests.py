"""Requesting, deciding, finalizing: the table, the mails and callbacks, and crashes in between."""

import time
from dataclasses import replace
from typing import Any

import pytest

from handlers.shared.clock import iso
from handlers.shared.errors import AwsUnavailableError, InvalidEventError
from handlers.shared.task_tokens import Failure, Success
from handlers.signature import (
    announce_unsigned_document,
    cancel_signature_request,
    complete_signature_request,
    decision,
    finalize_signature_request,
    invitation,
    remind_signer,
    request_document_signature,
)
from handlers.signature.codes import is_one_of
from handlers.signature.decision import complete, deliver
from handlers.signature.errors import (
    InvalidDocumentIdError,
    SignatureRequestCancelledError,
    SignatureRequestNotFoundError,
)
from handlers.signature.request import RETENTION_SECONDS, Status
from handlers.signature.store import RequestStore
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, World

WEEK = 7 * 24 * 3600
ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


class Killed(BaseException):
    """Lambda ends the process in the middle of its work."""


def asking(request_id: str = ONE, token: str = "token", **changes: Any) -> dict[str, Any]:
    """The event that the machine sends to the function."""
    return {
        "execution": EXECUTION,
        "enteredAt": iso(time.time()),
        "timeoutSeconds": WEEK,
        "taskToken": token,
        "requestId": request_id,
        "documentId": "3",
        "signer": "Bob",
        "apiUrl": "https://api.example.com/dev",
        "reminder": {"functionArn": "arn:f", "roleArn": "arn:r", "failureQueueArn": "arn:q"},
    } | changes


@pytest.fixture
def ask(world: World, context: FakeContext) -> Any:
    def run(request_id: str = ONE, token: str = "token", **changes: Any) -> Any:
        world.machine.waiting.add(token)
        return request_document_signature.handler(asking(request_id, token, **changes), context)

    return run


# -- Asking ---------------------------------------------------------------------------------------


def test_a_request_is_stored_mailed_and_scheduled_for_a_reminder(world: World, ask: Any) -> None:
    assert ask() == {"requestId": ONE}

    stored = world.request(ONE)
    assert (stored.status, stored.document_id, stored.signer) == (Status.PENDING, "3", "Bob")
    assert stored.task_token == "token"
    assert stored.expires_at - stored.requested_at == WEEK
    assert stored.page_url == f"https://api.example.com/dev/signatures/{ONE}"
    (mail,) = world.mails()
    assert (mail.destinations["ToAddresses"], mail.subject) == (
        ["bob@example.com"],
        "Please sign document 3",
    )
    assert f"https://api.example.com/dev/signatures/{ONE}?code={world.code()}" in mail.body
    assert "owner@example.com" in mail.body


def test_only_a_hash_of_the_code_is_stored(world: World, ask: Any) -> None:
    ask()

    assert len(world.code()) == 43
    assert world.code() not in str(world.item(ONE))
    assert len(world.request(ONE).code_hashes) == 1


def test_the_reminder_is_due_at_half_the_time_and_then_deleted(world: World, ask: Any) -> None:
    ask(enteredAt="2100-01-01T00:00:00.000Z", timeoutSeconds=3600)

    (schedule,) = world.schedules()
    assert schedule["ScheduleExpression"] == "at(2100-01-01T00:30:00)"
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["Target"]["Input"] == f'{{"requestId": "{ONE}"}}'
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": "arn:q"}


def test_a_request_that_expires_in_a_second_has_no_reminder(world: World, ask: Any) -> None:
    ask(timeoutSeconds=1)

    assert world.schedules() == []


def test_an_unfinished_request_has_a_time_to_live_too(world: World, ask: Any) -> None:
    ask(enteredAt="2026-01-31T12:00:00.000Z", timeoutSeconds=60)

    assert int(world.item(ONE)["expiration"]["N"]) == 1_769_860_860 + RETENTION_SECONDS


def test_two_requests_never_overwrite_each_other(world: World, ask: Any) -> None:
    ask(ONE, "token 1")
    ask(TWO, "token 2")

    assert world.request(ONE).task_token == "token 1"
    assert world.request(TWO).task_token == "token 2"
    assert len(world.mails()) == len(world.schedules()) == 2


@pytest.mark.parametrize(
    "invalid", ["", "a b", "x" * 129, "<script>", "3\n", None, True, 3.5, ["3"]]
)
def test_no_request_is_sent_for_an_invalid_document_id(
    world: World, ask: Any, invalid: Any
) -> None:
    with pytest.raises(InvalidDocumentIdError):
        ask(documentId=invalid)

    assert world.mails() == []


# -- Asking again: the task is retried ------------------------------------------------------------


def test_a_retry_exchanges_the_token_and_sends_no_second_mail(world: World, ask: Any) -> None:
    ask(token="first")
    code = world.code()
    ask(token="second")

    assert world.request(ONE).task_token == "second"
    assert len(world.mails()) == len(world.schedules()) == 1
    assert complete(world.store, world.request(ONE), Status.SIGNED).decided_now
    assert [token for token, _ in world.machine.callbacks] == ["second"]
    assert code == world.code()  # the link in the one mail is still good


def test_a_retry_sends_a_mail_that_failed_with_a_working_link(
    world: World, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(*_: Any, **__: Any) -> Any:
        raise AwsUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(request_document_signature, "invite", throttled)
        with pytest.raises(AwsUnavailableError):
            ask(token="first")
    ask(token="second")

    assert len(world.mails()) == 1
    assert is_one_of(world.code(), world.request(ONE).code_hashes)


def test_a_decision_between_two_attempts_is_delivered(world: World, ask: Any) -> None:
    ask(token="first")
    world.machine.waiting.clear()  # the attempt failed after it sent the mail
    decided = world.store.decide(ONE, Status.SIGNED, "", time.time())
    assert decided is not None

    ask(token="second")

    assert [token for token, _ in world.machine.callbacks] == ["second"]
    assert len(world.mails()) == 1


def test_a_request_that_was_cancelled_first_is_never_sent(
    world: World, ask: Any, context: FakeContext
) -> None:
    cancel_signature_request.handler(
        {
            "execution": EXECUTION,
            "requestId": ONE,
            "documentId": "3",
            "signer": "Bob",
            "reason": "Alice could not sign the document",
        },
        context,
    )

    with pytest.raises(SignatureRequestCancelledError):
        ask()

    assert world.mails() == []
    assert world.request(ONE).status is Status.CANCELLED


# -- Deciding -------------------------------------------------------------------------------------


@pytest.fixture
def completing(world: World, context: FakeContext) -> Any:
    def run(**event: Any) -> Any:
        return complete_signature_request.handler(event, context)

    return run


def test_signing_sends_the_signature_to_the_machine(
    world: World, ask: Any, completing: Any
) -> None:
    ask()

    result = completing(documentId="3")

    assert (result["outcome"], result["status"]) == ("COMPLETED", "SIGNED")
    assert result["message"] == "Bob has signed document 3."
    ((token, outcome),) = world.machine.callbacks
    assert token == "token"
    assert isinstance(outcome, Success)
    assert outcome.output == {
        "signer": "Bob",
        "documentId": "3",
        "signature": "Bob signed 3",
        "signedAt": result["finishedAt"],
    }


def test_a_document_id_may_be_a_number(ask: Any, completing: Any) -> None:
    ask()

    assert completing(documentId=3)["outcome"] == "COMPLETED"


@pytest.mark.parametrize(
    ("fields", "cause"), [({"reason": " too dear "}, "too dear"), ({}, "no reason was given")]
)
def test_declining_sends_the_reason_to_the_machine(
    world: World, ask: Any, completing: Any, fields: dict[str, str], cause: str
) -> None:
    ask()

    result = completing(requestId=ONE, decision="decline", **fields)

    assert (result["outcome"], result["status"]) == ("COMPLETED", "DECLINED")
    assert world.machine.callbacks == [("token", Failure("SignatureDeclinedError", cause))]


def test_results_have_no_tokens_and_no_hashes(world: World, ask: Any, completing: Any) -> None:
    ask()
    ask(TWO, "token 2")

    results = [completing(documentId="3"), completing(requestId=ONE), completing(requestId=ONE)]

    secrets = {"token", *world.request(TWO).code_hashes}
    assert not [secret for secret in secrets if secret in str(results)]


def test_several_pending_requests_are_listed_and_none_is_changed(
    world: World, ask: Any, completing: Any
) -> None:
    ask(ONE, "token 1")
    ask(TWO, "token 2")

    result = completing(documentId="3")

    assert result["outcome"] == "SEVERAL_PENDING"
    assert set(result["requestIds"]) == {ONE, TWO}
    assert world.machine.callbacks == []


def test_a_document_id_selects_the_only_pending_request(ask: Any, completing: Any) -> None:
    ask(ONE, "token 1")
    ask(TWO, "token 2")
    completing(requestId=ONE)

    assert completing(documentId="3")["requestId"] == TWO


@pytest.mark.parametrize("second", ["sign", "decline"])
@pytest.mark.parametrize("finalized", [True, False], ids=["finalized", "not finalized yet"])
def test_a_second_call_returns_already_finished(
    world: World,
    ask: Any,
    completing: Any,
    context: FakeContext,
    second: str,
    finalized: bool,
) -> None:
    ask()
    completing(documentId="3")
    if finalized:
        finalize(context, "SIGNED")

    result = completing(documentId="3", decision=second)

    assert (result["outcome"], result["status"]) == ("ALREADY_FINISHED", "SIGNED")
    assert "was finished at" in result["message"]
    assert len(world.machine.callbacks) == 1


@pytest.mark.parametrize("event", [{"documentId": "4"}, {"requestId": "none"}])
def test_an_unknown_request_is_an_error(completing: Any, event: dict[str, str]) -> None:
    with pytest.raises(SignatureRequestNotFoundError):
        completing(**event)


@pytest.mark.parametrize(
    "event",
    [
        {"decision": "maybe"},
        {"decision": None},
        {"decision": "decline", "reason": 3},
        {"decision": "decline", "reason": "x" * 501},
    ],
)
def test_an_invalid_decision_is_refused(
    world: World, ask: Any, completing: Any, event: dict[str, Any]
) -> None:
    ask()

    with pytest.raises(InvalidEventError):
        completing(documentId="3", **event)

    assert world.request(ONE).status is Status.PENDING


def test_an_event_without_an_id_is_refused(completing: Any) -> None:
    with pytest.raises(InvalidDocumentIdError):
        completing()


def test_completing_after_the_deadline_returns_too_late(
    world: World, ask: Any, completing: Any
) -> None:
    ask(enteredAt=iso(time.time() - 60), timeoutSeconds=59)

    result = completing(documentId="3")

    assert (result["outcome"], result["status"]) == ("TOO_LATE", "EXPIRED")
    assert world.machine.callbacks == []
    assert "taskToken" not in world.item(ONE)


def test_a_deadline_that_passes_during_the_call_returns_too_late(
    world: World, ask: Any, completing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    late = world.request(ONE).expires_at
    monkeypatch.setattr(decision, "now", lambda: late)

    result = completing(requestId=ONE)

    assert (result["outcome"], result["status"]) == ("TOO_LATE", "EXPIRED")
    assert world.request(ONE).status is Status.EXPIRED


# -- A crash anywhere is repaired by calling again ------------------------------------------------


def test_a_crash_between_storing_and_delivering(
    world: World, ask: Any, completing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()

    def kill(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("handlers.signature.decision.send_callback", kill)
        with pytest.raises(Killed):
            completing(documentId="3", decision="decline", reason="the first one counts")

    result = completing(documentId="3", decision="sign")

    assert (result["outcome"], result["status"]) == ("ALREADY_FINISHED", "DECLINED")
    assert world.machine.callbacks == [
        ("token", Failure("SignatureDeclinedError", "the first one counts"))
    ]


def test_an_undelivered_request_is_chosen_before_newer_finished_ones(
    world: World, ask: Any, completing: Any, context: FakeContext
) -> None:
    ask(ONE, "token 1", enteredAt=iso(time.time() - 60))
    world.store.decide(ONE, Status.SIGNED, "", time.time())
    ask(TWO, "token 2")
    finalize(context, "EXPIRED", TWO)

    result = completing(documentId="3")

    assert (result["requestId"], result["status"]) == (ONE, "SIGNED")
    assert [token for token, _ in world.machine.callbacks] == ["token 1"]


def test_a_retried_task_gets_a_decision_that_was_delivered_before(
    world: World, ask: Any, completing: Any
) -> None:
    ask(token="first")
    completing(documentId="3")

    ask(token="second")

    assert [token for token, _ in world.machine.callbacks] == ["first", "second"]


def test_a_crash_after_the_callback_is_resolved_by_the_finalized_outcome(
    world: World, ask: Any, completing: Any, context: FakeContext
) -> None:
    """The token was used, which looks like a timeout."""
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())
    world.machine.waiting.clear()
    finalize(context, "SIGNED")

    result = completing(documentId="3")

    assert (result["outcome"], result["status"]) == ("ALREADY_FINISHED", "SIGNED")


def test_a_delivered_decision_counts_even_if_it_cannot_be_marked_as_delivered(
    world: World, ask: Any, completing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()

    def unavailable(*_: Any) -> Any:
        raise AwsUnavailableError

    monkeypatch.setattr(RequestStore, "mark_delivered", unavailable)

    assert completing(documentId="3")["outcome"] == "COMPLETED"
    assert len(world.machine.callbacks) == 1


def test_delivery_waits_until_the_machine_has_finalized_the_request(
    world: World, ask: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    decided = world.store.decide(ONE, Status.SIGNED, "", time.time())
    assert decided is not None
    world.machine.waiting.clear()
    reads = []
    get = RequestStore.get

    def get_and_finalize_at_the_third(store: RequestStore, request_id: str) -> Any:
        reads.append(request_id)
        if len(reads) == 3:
            finalize(context, "SIGNED")
        return get(store, request_id)

    monkeypatch.setattr(RequestStore, "get", get_and_finalize_at_the_third)

    assert deliver(world.store, decided).status is Status.SIGNED


def test_a_new_token_is_used_instead_of_the_old_one(
    world: World, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(token="first")
    decided = world.store.decide(ONE, Status.SIGNED, "", time.time())
    assert decided is not None
    world.machine.waiting = {"second"}
    changed = replace(world.request(ONE), task_token="second")
    world.dynamodb.update_item(
        TableName="signature-requests",
        Key={"requestId": {"S": ONE}},
        UpdateExpression="SET taskToken = :token",
        ExpressionAttributeValues={":token": {"S": changed.task_token}},
    )

    assert deliver(world.store, decided).status is Status.SIGNED
    assert [token for token, _ in world.machine.callbacks] == ["second"]


def test_the_machines_outcome_overrides_an_expired_status(
    world: World, ask: Any, completing: Any, context: FakeContext
) -> None:
    ask()
    world.store.expire(world.request(ONE), time.time())

    finalize(context, "SIGNED")

    assert world.request(ONE).status is Status.SIGNED
    assert completing(documentId="3")["outcome"] == "ALREADY_FINISHED"


# -- Finalizing and cancelling --------------------------------------------------------------------


def finalize(context: FakeContext, outcome: str, request_id: str = ONE) -> Any:
    event = {"execution": EXECUTION, "requestId": request_id, "outcome": outcome}
    return finalize_signature_request.handler(event, context)


@pytest.mark.parametrize("outcome", ["SIGNED", "DECLINED", "EXPIRED", "CANCELLED"])
def test_a_finalized_request_has_no_token_and_expires_after_thirty_days(
    world: World, ask: Any, context: FakeContext, outcome: str
) -> None:
    ask()

    for _ in range(2):  # at least once
        assert finalize(context, outcome) == {"requestId": ONE, "status": outcome}

    assert "taskToken" not in world.item(ONE)
    remaining = int(world.item(ONE)["expiration"]["N"]) - time.time()
    assert RETENTION_SECONDS - 10 < remaining <= RETENTION_SECONDS + 1
    assert world.request(ONE).finalized


def test_finalizing_a_request_that_was_never_stored_changes_nothing(
    world: World, context: FakeContext
) -> None:
    assert finalize(context, "CANCELLED")["status"] == "NONE"
    assert world.store.get(ONE) is None


def test_cancelling_fails_the_waiting_task(world: World, ask: Any, context: FakeContext) -> None:
    ask()
    event = asking() | {"reason": "Alice could not sign the document"}

    for _ in range(2):  # at least once
        cancelled = cancel_signature_request.handler(event, context)

    assert cancelled == {"requestId": ONE, "status": "CANCELLED"}
    assert world.machine.failures() == ["SignatureRequestCancelledError"]


def test_a_decided_request_is_not_cancelled(
    world: World, ask: Any, completing: Any, context: FakeContext
) -> None:
    ask()
    completing(documentId="3")

    cancelled = cancel_signature_request.handler(asking() | {"reason": "too late"}, context)

    assert cancelled["status"] == "SIGNED"
    assert len(world.machine.callbacks) == 1


# -- The reminder ---------------------------------------------------------------------------------


def test_a_reminder_has_its_own_link_and_is_sent_once(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()

    for _ in range(2):  # at least once
        assert remind_signer.handler({"requestId": ONE}, context) == {"reminded": True}

    _, reminder = world.mails()
    assert reminder.subject == "Reminder: please sign document 3"
    assert world.code(0) != world.code(1)
    for number in (0, 1):
        assert is_one_of(world.code(number), world.request(ONE).code_hashes)


@pytest.mark.parametrize("case", ["signed", "expired", "unknown"])
def test_no_reminder_is_sent_without_a_pending_decision(
    world: World, ask: Any, completing: Any, context: FakeContext, case: str
) -> None:
    if case == "signed":
        ask()
        completing(documentId="3")
    elif case == "expired":
        ask(enteredAt=iso(time.time() - 60), timeoutSeconds=59)
    before = len(world.mails())

    assert remind_signer.handler({"requestId": ONE}, context) == {"reminded": False}
    assert len(world.mails()) == before


def test_a_decision_made_while_the_reminder_is_prepared_stops_it(
    world: World, ask: Any, completing: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()

    get = RequestStore.get

    def get_then_sign(store: RequestStore, request_id: str) -> Any:
        found = get(store, request_id)
        monkeypatch.setattr(RequestStore, "get", get)
        completing(documentId="3")
        return found

    monkeypatch.setattr(RequestStore, "get", get_then_sign)

    assert remind_signer.handler({"requestId": ONE}, context) == {"reminded": False}
    assert len(world.mails()) == 1


# -- Announcing -----------------------------------------------------------------------------------


def gathered(outcome: str, summary: str) -> dict[str, Any]:
    return {
        "execution": EXECUTION,
        "documentId": "3",
        "gathered": {
            "alice": {"signer": "Alice", "outcome": "SIGNED", "summary": "Alice signed"},
            "bob": {"signer": "Bob", "outcome": outcome, "summary": summary},
        },
    }


@pytest.mark.parametrize(
    ("outcome", "subject"),
    [
        ("DECLINED", "Document 3 was declined"),
        ("EXPIRED", "Document 3 was not signed"),
        ("CANCELLED", "Document 3 was not signed"),
    ],
)
def test_the_owner_gets_one_mail_with_each_signers_outcome(
    world: World, context: FakeContext, outcome: str, subject: str
) -> None:
    for _ in range(2):  # at least once
        announce_unsigned_document.handler(gathered(outcome, "Bob <did> not"), context)

    (mail,) = world.mails()
    assert (mail.destinations["ToAddresses"], mail.subject) == (["owner@example.com"], subject)
    assert "Alice signed." in mail.body
    assert "Bob &lt;did&gt; not." in mail.body
    assert EXECUTION in mail.body


def test_texts_from_outside_become_one_line_each_in_the_owners_mail(
    world: World, context: FakeContext
) -> None:
    summary = "Bob declined (no\r\n\r\nDocument 4 was signed\u202e" + "x" * 5000

    announce_unsigned_document.handler(gathered("DECLINED", summary), context)

    (mail,) = world.mails()
    assert "<li>Bob declined (no Document 4 was signedxxx" in mail.body  # moto keeps the HTML
    assert "\u202e" not in mail.body
    assert len(mail.body) < 5000  # as text and as HTML


def test_times_in_mails_are_readable() -> None:
    assert invitation.readable(1_769_860_800) == "Saturday, 31 January 2026, 12:00 UTC"
