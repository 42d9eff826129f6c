"""One fault at a time, at every call to AWS: table, machine and page agree afterwards."""

import time
from dataclasses import replace
from typing import Any

import pytest

from handlers.shared.clients import client
from handlers.shared.clock import now
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.task_tokens import Failure, Success
from handlers.signature import (
    cancel_signature_request,
    complete_signature_request,
    decide_signature_request,
    decision,
    deliver_decisions,
    finalize_signature_request,
    remind_signer,
    request_document_signature,
    show_signature_request,
    withdraw_signature_request,
)
from handlers.signature.request import SignatureRequest, Status, request_id_of
from handlers.signature.store import RequestStore
from tests.support.faults import EVERY, Fault, Killed, Kind, injected
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, World
from .test_pages import event
from .test_requests import ONE, ask, asking

__all__ = ["ask"]

pytestmark = pytest.mark.slow

MINUTES = 600
DELIVERING = "SendTaskSuccess"


@pytest.fixture
def deliver(context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run what EventBridge Scheduler runs every few minutes, some minutes from now."""

    def run() -> Any:
        with monkeypatch.context() as later:
            later.setattr(deliver_decisions, "now", lambda: now() + MINUTES)
            return deliver_decisions.handler({}, context)

    return run


def press_button(context: FakeContext, code: str, **fields: str) -> tuple[int, str]:
    response = decide_signature_request.handler(event(code, **fields), context)
    return response["statusCode"], response["body"]


def open_page(context: FakeContext, code: str) -> tuple[int, str]:
    response = show_signature_request.handler(event(code), context)
    return response["statusCode"], response["body"]


# -- A response that is lost: botocore sends the request again ------------------------------------


@pytest.mark.parametrize(
    "operation", ["GetItem", "UpdateItem", DELIVERING], ids=["reading", "storing", "delivering"]
)
def test_signing_succeeds_whichever_response_is_lost(
    world: World, ask: Any, context: FakeContext, operation: str
) -> None:
    ask()
    world.machine.store = world.store

    with injected(Fault(Kind.RESPONSE_LOST, operation)):
        status, page = press_button(context, world.code(), decision="sign")

    assert status == 200
    assert "Thank you." in page
    assert world.request(ONE).status is Status.SIGNED
    assert not world.request(ONE).is_undelivered
    ((token, outcome),) = world.machine.callbacks
    assert (token, type(outcome)) == ("token", Success)


def writes(store: RequestStore, request: SignatureRequest) -> dict[str, Any]:
    """Each conditional write of the store, by its name."""
    at = time.time()
    return {
        "open": lambda: store.open(request),
        "add_code": lambda: store.add_code(ONE, "a hash"),
        "decide": lambda: store.decide(ONE, Status.SIGNED, "", at),
        "exchange_token": lambda: store.exchange_token(replace(request, task_token="new")),
        "mark_delivered": lambda: store.mark_delivered(request),
        "expire": lambda: store.expire(request, at),
        "cancel": lambda: store.cancel(request, "why", at),
        "withdraw": lambda: store.withdraw(ONE, EXECUTION, "why", at),
        "finalize": lambda: store.finalize(ONE, Status.SIGNED, at),
        "finalize_decision": lambda: store.finalize_decision(ONE, at),
        "finalize_unless_decided": lambda: store.finalize_unless_decided(ONE, Status.EXPIRED, at),
    }


def changing_methods() -> set[str]:
    """The methods of RequestStore that change a request, found by the functions that they call."""
    return {
        name
        for name, method in vars(RequestStore).items()
        if not name.startswith("_") and {"_update", "_finalize"} & {*method.__code__.co_names}
    }


@pytest.mark.parametrize("name", sorted(changing_methods()))
def test_a_write_whose_response_is_lost_recognises_its_own_record(
    world: World, ask: Any, name: str
) -> None:
    ask()
    if name in ("exchange_token", "finalize_decision"):
        world.store.decide(ONE, Status.SIGNED, "", time.time())
    write = writes(world.store, world.request(ONE))[name]

    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem")) as network:
        written = write()

    assert network.calls == ["UpdateItem", "UpdateItem"]
    assert written is not None
    assert written == world.store.get(ONE)


def test_a_write_does_not_take_another_callers_write_for_its_own(world: World, ask: Any) -> None:
    ask()

    assert world.store.decide(ONE, Status.SIGNED, "", time.time())
    assert world.store.decide(ONE, Status.SIGNED, "", time.time()) is None


def test_a_write_recognises_itself_even_if_others_wrote_after_it(world: World, ask: Any) -> None:
    """Between the first attempt and its repetition another caller delivers the decision."""
    ask()
    repeated = []

    def deliver_between(**_: Any) -> None:
        repeated.append(1)
        if len(repeated) == 2:
            decision.deliver(RequestStore("signature-requests"), world.request(ONE))

    client("dynamodb").meta.events.register("before-sign.dynamodb.UpdateItem", deliver_between)
    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem")):
        decided = world.store.decide(ONE, Status.SIGNED, "", time.time())

    assert decided is not None
    assert decided.delivered


# -- Step Functions is unreachable ----------------------------------------------------------------

CHOICES = pytest.mark.parametrize(
    ("choice", "operation", "undelivered_text", "final_text"),
    [
        (
            "sign",
            DELIVERING,
            "Your signature is stored, but not delivered",
            "You signed document 3",
        ),
        ("decline", "SendTaskFailure", "Your decision is stored, but not", "You declined to sign"),
    ],
    ids=["signed", "declined"],
)


@CHOICES
def test_an_undelivered_decision_is_reported_as_such_and_can_be_sent_again(
    world: World,
    ask: Any,
    context: FakeContext,
    choice: str,
    operation: str,
    undelivered_text: str,
    final_text: str,
) -> None:
    ask()
    code = world.code()

    with injected(Fault(Kind.NOT_REACHED, operation, times=EVERY)):
        first = press_button(context, code, decision=choice, reason="too dear")
    shown = open_page(context, code)

    assert (first[0], shown[0]) == (202, 200)
    assert world.machine.callbacks == []
    for _, page in (first, shown):
        assert undelivered_text in page
        assert f'<button class="{choice}" name="decision" value="{choice}">Send it again' in page
        for claim in ("Thank you", "nothing more for you to do", "already finished", final_text):
            assert claim not in page

    again = press_button(context, code, decision=choice)

    assert again[0] == 200
    assert final_text in again[1]
    assert len(world.machine.callbacks) == 1
    assert not world.request(ONE).is_undelivered


@CHOICES
def test_the_service_delivers_an_undelivered_decision(
    world: World,
    ask: Any,
    context: FakeContext,
    deliver: Any,
    choice: str,
    operation: str,
    undelivered_text: str,
    final_text: str,
) -> None:
    ask()
    with injected(Fault(Kind.NOT_REACHED, operation, times=EVERY)):
        press_button(context, world.code(), decision=choice, reason="too dear")

    assert deliver() == {"delivered": 1, "remaining": 0}
    assert deliver() == {"delivered": 0, "remaining": 0}

    ((token, outcome),) = world.machine.callbacks
    assert token == "token"
    if choice == "decline":
        assert outcome == Failure("SignatureDeclinedError", "too dear")
    assert final_text in open_page(context, world.code())[1]


def test_complete_signature_request_reports_an_undelivered_decision(
    world: World, ask: Any, context: FakeContext, deliver: Any
) -> None:
    ask()

    with injected(Fault(Kind.NOT_REACHED, DELIVERING, times=EVERY)):
        first = complete_signature_request.handler({"requestId": ONE}, context)
    deliver()
    second = complete_signature_request.handler({"requestId": ONE}, context)

    assert (first["outcome"], first["status"]) == ("UNDELIVERED", "SIGNED")
    assert "the execution has not confirmed it" in first["message"]
    assert (second["outcome"], second["status"]) == ("ALREADY_FINISHED", "SIGNED")


def test_the_reminder_delivers_an_undelivered_decision(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())

    assert remind_signer.handler({"requestId": ONE}, context) == {
        "reminded": False,
        "delivered": True,
    }
    assert len(world.machine.callbacks) == len(world.mails()) == 1


def test_a_new_decision_is_left_to_the_function_that_stored_it(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())

    assert deliver_decisions.handler({}, context) == {"delivered": 0, "remaining": 0}
    assert world.machine.callbacks == []


def test_a_decision_that_cannot_be_delivered_does_not_stop_the_others(
    world: World, ask: Any, deliver: Any
) -> None:
    for number in range(3):
        request_id = f"{ONE[:-1]}{number}"
        ask(request_id, f"token {number}")
        world.store.decide(request_id, Status.SIGNED, "", time.time() + number)

    world.machine.invalid_tokens = {"token 0"}

    assert deliver() == {"delivered": 2, "remaining": 1}
    world.machine.invalid_tokens = set()
    assert deliver() == {"delivered": 1, "remaining": 0}


def test_without_time_all_decisions_remain_for_the_next_run(
    world: World, ask: Any, context: FakeContext, deliver: Any
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())
    context.remaining_ms = 1

    assert deliver() == {"delivered": 0, "remaining": 1}


def test_a_decision_that_stays_undelivered_expires_only_after_the_finalizing_time(
    world: World, ask: Any, context: FakeContext, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    world.machine.waiting.clear()

    status, page = press_button(context, world.code(), decision="sign")
    assert (status, "is stored, but not delivered yet" in page) == (202, True)
    assert deliver() == {"delivered": 0, "remaining": 1}

    expires = world.request(ONE).expires_at
    monkeypatch.setattr(decision, "now", lambda: expires + 600)  # the machine's task may be retried
    assert deliver() == {"delivered": 0, "remaining": 1}
    monkeypatch.setattr(decision, "now", lambda: expires + decision.FINALIZING_SECONDS)
    assert deliver() == {"delivered": 0, "remaining": 0}
    assert world.request(ONE).status is Status.EXPIRED
    assert open_page(context, world.code())[0] == 404


@pytest.mark.parametrize("outcome", ["EXPIRED", "CANCELLED"])
@pytest.mark.parametrize("decided", [Status.SIGNED, Status.DECLINED])
def test_the_machine_gets_a_stored_decision_at_the_deadline_or_after_an_error(
    world: World, ask: Any, context: FakeContext, decided: Status, outcome: str
) -> None:
    ask()
    reason = "too dear" if decided is Status.DECLINED else ""
    stored = world.store.decide(ONE, decided, reason, time.time())
    assert stored is not None

    for _ in range(2):  # at least once
        finalized = finalize_signature_request.handler(
            {"execution": EXECUTION, "requestId": ONE, "outcome": outcome}, context
        )

    assert finalized["status"] == decided == world.request(ONE).status
    assert world.request(ONE).finalized
    if decided is Status.SIGNED:
        assert finalized["signature"] == decision.signature(stored)
    else:
        assert finalized["reason"] == "too dear"


# -- A process that is killed, and its work that is repeated --------------------------------------

KILLS = pytest.mark.parametrize(
    "kind", [Kind.KILLED_BEFORE, Kind.KILLED_AFTER], ids=["before", "after"]
)


@KILLS
@pytest.mark.parametrize("call", [2, 3, 4])
@pytest.mark.parametrize("choice", ["sign", "decline"])
def test_a_decision_is_delivered_or_was_never_stored_wherever_the_function_is_killed(
    world: World, ask: Any, context: FakeContext, deliver: Any, call: int, choice: str, kind: Kind
) -> None:
    """Calls 2 to 4: store it, send it to the machine, mark it as delivered."""
    ask()
    code = world.code()

    with injected(Fault(kind, nth=call)), pytest.raises(Killed):
        press_button(context, code, decision=choice, reason="why")
    if world.machine.callbacks:  # the machine continues
        world.store.finalize(ONE, decision.DECISIONS[choice], time.time())
    deliver()

    if (call, kind) == (2, Kind.KILLED_BEFORE):
        assert "<form" in open_page(context, code)[1]
        assert (world.request(ONE).status, world.machine.callbacks) == (Status.PENDING, [])
    else:
        assert "There is nothing more for you to do" in open_page(context, code)[1]
        assert world.request(ONE).status is decision.DECISIONS[choice]
        assert not world.request(ONE).is_undelivered
        assert len(world.machine.callbacks) == 1


@KILLS
@pytest.mark.parametrize("call", range(1, 6))
def test_a_retry_after_a_kill_sends_one_mail_with_a_working_link(
    world: World, ask: Any, context: FakeContext, call: int, kind: Kind
) -> None:
    """Calls 1 to 5: store the request, schedule its reminder; log, send and log the mail."""
    with injected(Fault(kind, nth=call)), pytest.raises(Killed):
        ask(token="first")

    ask(token="second")

    request = world.request(ONE)
    assert (request.status, request.task_token) == (Status.PENDING, "second")
    assert len(world.schedules()) == 1
    # Between the log entry of a mail and SES's response it is unknown whether the mail was sent. It
    # is not sent again, and the reminder reaches Bob.
    unknown = (call, kind) in {(3, Kind.KILLED_AFTER), (4, Kind.KILLED_BEFORE)}
    assert len(world.mails()) == int(not unknown)
    if unknown:
        remind_signer.handler({"requestId": ONE}, context)
    assert press_button(context, world.code(), decision="sign")[0] == 200
    assert [token for token, _ in world.machine.callbacks] == ["second"]


@KILLS
@pytest.mark.parametrize("call", [1, 2])
def test_cancelling_again_after_a_kill_fails_the_waiting_task(
    world: World, ask: Any, context: FakeContext, call: int, kind: Kind
) -> None:
    ask()
    cancelling = asking() | {"reason": "Alice could not sign the document"}

    with injected(Fault(kind, nth=call)), pytest.raises(Killed):
        cancel_signature_request.handler(cancelling, context)
    cancel_signature_request.handler(cancelling, context)

    assert world.request(ONE).status is Status.CANCELLED
    assert world.machine.failures() == ["SignatureRequestCancelledError"]


# -- An execution that ends from outside ----------------------------------------------------------

REQUEST_ID = request_id_of(EXECUTION)


def ended(status: str) -> dict[str, Any]:
    """The event that Step Functions publishes when an execution has ended."""
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": EXECUTION, "status": status, "input": '{"documentId": "3"}'},
    }


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
@pytest.mark.parametrize("state", ["pending", "decided", "not stored yet"])
def test_the_request_of_an_execution_that_has_ended_is_withdrawn(
    world: World, ask: Any, context: FakeContext, status: str, state: str
) -> None:
    if state != "not stored yet":
        ask(REQUEST_ID)
    if state == "decided":
        world.store.decide(REQUEST_ID, Status.SIGNED, "", time.time())

    results = [withdraw_signature_request.handler(ended(status), context) for _ in range(2)]

    assert [one["withdrawn"] for one in results] == [True, False]  # at least once
    assert world.request(REQUEST_ID).status is Status.CANCELLED
    assert "taskToken" not in world.item(REQUEST_ID)
    if state == "not stored yet":
        with pytest.raises(request_document_signature.SignatureRequestCancelledError):
            ask(REQUEST_ID)
        assert world.mails() == []
        return
    code = world.code()
    responses = [
        show_signature_request.handler(event(code, REQUEST_ID), context),
        decide_signature_request.handler(event(code, REQUEST_ID, decision="sign"), context),
    ]
    for response in responses:
        assert "Document 3 no longer needs your signature" in response["body"]
        assert withdraw_signature_request.REASONS[status] in response["body"]
    assert remind_signer.handler({"requestId": REQUEST_ID}, context)["reminded"] is False
    assert world.machine.callbacks == []


@pytest.mark.parametrize("state", ["delivered", "finalized"])
def test_a_delivered_or_finalized_request_is_not_withdrawn(
    world: World, ask: Any, context: FakeContext, state: str
) -> None:
    ask(REQUEST_ID)
    if state == "delivered":
        complete_signature_request.handler({"requestId": REQUEST_ID}, context)
    else:
        world.store.finalize(REQUEST_ID, Status.SIGNED, time.time())

    assert not withdraw_signature_request.handler(ended("ABORTED"), context)["withdrawn"]
    assert world.request(REQUEST_ID).status is Status.SIGNED


def test_a_request_withdrawn_before_it_was_stored_is_in_no_list(
    world: World, context: FakeContext
) -> None:
    withdraw_signature_request.handler(ended("ABORTED"), context)

    assert world.store.with_status(Status.CANCELLED, 10, None).requests == []


# -- Unknown results ------------------------------------------------------------------------------


def test_a_lost_response_to_the_decision_shows_that_it_may_be_stored(
    world: World, ask: Any, context: FakeContext, deliver: Any
) -> None:
    """Every response to the update is lost, although every update has taken effect."""
    ask()

    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem", times=EVERY)):
        status, page = press_button(context, world.code(), decision="sign")

    assert status == 503
    assert "your decision may be stored already" in page
    deliver()
    assert world.request(ONE).delivered


def test_an_unreachable_table_is_a_transient_error(world: World, ask: Any, deliver: Any) -> None:
    with (
        injected(Fault(Kind.NOT_REACHED, "Query", times=EVERY)),
        pytest.raises(AwsUnavailableError),
    ):
        deliver()


# -- Mails ----------------------------------------------------------------------------------------


def test_a_reminder_that_ses_does_not_confirm_is_not_reported_as_sent(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()

    with injected(Fault(Kind.RESPONSE_LOST, "SendEmail")):
        result = remind_signer.handler({"requestId": ONE}, context)

    assert result == {"reminded": False}
