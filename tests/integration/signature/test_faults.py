"""One fault at a time, at every call to AWS: what is stored, told and said agrees afterwards."""

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


def press(context: FakeContext, code: str, **fields: str) -> tuple[int, str]:
    answer = decide_signature_request.handler(event(code, **fields), context)
    return answer["statusCode"], answer["body"]


def look(context: FakeContext, code: str) -> tuple[int, str]:
    answer = show_signature_request.handler(event(code), context)
    return answer["statusCode"], answer["body"]


# -- A response that is lost: botocore sends the request again ------------------------------------


@pytest.mark.parametrize(
    "operation", ["GetItem", "UpdateItem", DELIVERING], ids=["reading", "noting", "telling"]
)
def test_bob_who_signs_is_thanked_whichever_response_is_lost(
    world: World, ask: Any, context: FakeContext, operation: str
) -> None:
    ask()
    world.machine.notes_in = world.store

    with injected(Fault(Kind.RESPONSE_LOST, operation)):
        status, page = press(context, world.code(), decision="sign")

    assert status == 200
    assert "Thank you." in page
    assert world.request(ONE).status is Status.SIGNED
    assert not world.request(ONE).is_undelivered
    ((token, outcome),) = world.machine.told
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
    """What RequestStore has that changes a request, by its own code."""
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


def test_a_write_is_not_mistaken_for_that_of_another(world: World, ask: Any) -> None:
    ask()

    assert world.store.decide(ONE, Status.SIGNED, "", time.time())
    assert world.store.decide(ONE, Status.SIGNED, "", time.time()) is None


def test_a_write_is_recognised_though_others_wrote_after_it(world: World, ask: Any) -> None:
    """Between the first attempt and its repetition somebody else has delivered the decision."""
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


# -- Step Functions is out of reach ---------------------------------------------------------------

CHOICES = pytest.mark.parametrize(
    ("choice", "operation", "noted", "done"),
    [
        ("sign", DELIVERING, "Your signature is noted, but not delivered", "You signed document 3"),
        ("decline", "SendTaskFailure", "Your answer is noted, but not", "You declined to sign"),
    ],
    ids=["signed", "declined"],
)


@CHOICES
def test_a_decision_that_is_not_delivered_is_called_so_and_may_be_sent_again(
    world: World, ask: Any, context: FakeContext, choice: str, operation: str, noted: str, done: str
) -> None:
    ask()
    code = world.code()

    with injected(Fault(Kind.NOT_REACHED, operation, times=EVERY)):
        first = press(context, code, decision=choice, reason="too dear")
    shown = look(context, code)

    assert (first[0], shown[0]) == (202, 200)
    assert world.machine.told == []
    for _, page in (first, shown):
        assert noted in page
        assert f'<button class="{choice}" name="decision" value="{choice}">Send it again' in page
        for claim in ("Thank you", "nothing more for you to do", "settled before", done):
            assert claim not in page

    again = press(context, code, decision=choice)

    assert again[0] == 200
    assert done in again[1]
    assert len(world.machine.told) == 1
    assert not world.request(ONE).is_undelivered


@CHOICES
def test_the_service_delivers_it_by_itself(
    world: World,
    ask: Any,
    context: FakeContext,
    deliver: Any,
    choice: str,
    operation: str,
    noted: str,
    done: str,
) -> None:
    ask()
    with injected(Fault(Kind.NOT_REACHED, operation, times=EVERY)):
        press(context, world.code(), decision=choice, reason="too dear")

    assert deliver() == {"delivered": 1, "left": 0}
    assert deliver() == {"delivered": 0, "left": 0}

    ((token, outcome),) = world.machine.told
    assert token == "token"
    if choice == "decline":
        assert outcome == Failure("SignatureDeclinedError", "too dear")
    assert done in look(context, world.code())[1]


def test_a_person_who_completes_it_is_told_that_it_is_not_delivered(
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


def test_the_reminder_delivers_what_is_not_delivered(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())

    assert remind_signer.handler({"requestId": ONE}, context) == {
        "reminded": False,
        "delivered": True,
    }
    assert len(world.machine.told) == len(world.mails()) == 1


def test_who_has_just_decided_is_left_to_deliver_it(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())

    assert deliver_decisions.handler({}, context) == {"delivered": 0, "left": 0}
    assert world.machine.told == []


def test_one_that_cannot_be_delivered_keeps_no_other_waiting(
    world: World, ask: Any, deliver: Any
) -> None:
    for number in range(3):
        request_id = f"{ONE[:-1]}{number}"
        ask(request_id, f"token {number}")
        world.store.decide(request_id, Status.SIGNED, "", time.time() + number)

    world.machine.refuses = {"token 0"}

    assert deliver() == {"delivered": 2, "left": 1}
    world.machine.refuses = set()
    assert deliver() == {"delivered": 1, "left": 0}


def test_without_time_all_is_left_for_the_next_run(
    world: World, ask: Any, context: FakeContext, deliver: Any
) -> None:
    ask()
    world.store.decide(ONE, Status.SIGNED, "", time.time())
    context.remaining_ms = 1

    assert deliver() == {"delivered": 0, "left": 1}


def test_a_decision_of_which_there_is_no_news_is_called_expired_after_its_time_only(
    world: World, ask: Any, context: FakeContext, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    world.machine.waiting.clear()

    status, page = press(context, world.code(), decision="sign")
    assert (status, "is noted, but not delivered yet" in page) == (202, True)
    assert deliver() == {"delivered": 0, "left": 1}

    expires = world.request(ONE).expires_at
    monkeypatch.setattr(decision, "now", lambda: expires + 600)  # the machine's task may be retried
    assert deliver() == {"delivered": 0, "left": 1}
    monkeypatch.setattr(decision, "now", lambda: expires + decision.FINALIZING_SECONDS)
    assert deliver() == {"delivered": 0, "left": 0}
    assert world.request(ONE).status is Status.EXPIRED
    assert look(context, world.code())[0] == 404


@pytest.mark.parametrize("noted", [Status.SIGNED, Status.DECLINED])
def test_a_decision_that_was_noted_in_time_is_what_the_machine_learns_at_the_deadline(
    world: World, ask: Any, context: FakeContext, noted: Status
) -> None:
    ask()
    decided = world.store.decide(ONE, noted, "too dear" * (noted is Status.DECLINED), time.time())
    assert decided is not None

    for _ in range(2):  # at least once
        finalized = finalize_signature_request.handler(
            {"execution": EXECUTION, "requestId": ONE, "outcome": "EXPIRED"}, context
        )

    assert finalized["status"] == noted == world.request(ONE).status
    assert world.request(ONE).finalized
    if noted is Status.SIGNED:
        assert finalized["signature"] == decision.signature(decided)
    else:
        assert finalized["reason"] == "too dear"


# -- A process that is killed, and its work that is repeated --------------------------------------

KILLS = pytest.mark.parametrize(
    "kind", [Kind.KILLED_BEFORE, Kind.KILLED_AFTER], ids=["before", "after"]
)


@KILLS
@pytest.mark.parametrize("call", [2, 3, 4])
@pytest.mark.parametrize("choice", ["sign", "decline"])
def test_a_decision_survives_a_kill_at_any_call_or_was_never_noted(
    world: World, ask: Any, context: FakeContext, deliver: Any, call: int, choice: str, kind: Kind
) -> None:
    """Calls 2 to 4: note it, tell the machine, note that it was told."""
    ask()
    code = world.code()

    with injected(Fault(kind, nth=call)), pytest.raises(Killed):
        press(context, code, decision=choice, reason="why")
    if world.machine.told:  # it goes on
        world.store.finalize(ONE, decision.DECISIONS[choice], time.time())
    deliver()

    if (call, kind) == (2, Kind.KILLED_BEFORE):
        assert "<form" in look(context, code)[1]
        assert (world.request(ONE).status, world.machine.told) == (Status.PENDING, [])
    else:
        assert "There is nothing more for you to do" in look(context, code)[1]
        assert world.request(ONE).status is decision.DECISIONS[choice]
        assert not world.request(ONE).is_undelivered
        assert len(world.machine.told) == 1


@KILLS
@pytest.mark.parametrize("call", range(1, 6))
def test_asking_again_after_a_kill_asks_once_and_with_a_link_that_works(
    world: World, ask: Any, context: FakeContext, call: int, kind: Kind
) -> None:
    """Calls 1 to 5: store the request, schedule its reminder; note, send and note the mail."""
    with injected(Fault(kind, nth=call)), pytest.raises(Killed):
        ask(token="first")

    ask(token="second")

    request = world.request(ONE)
    assert (request.status, request.task_token) == (Status.PENDING, "second")
    assert len(world.schedules()) == 1
    # Between noting a mail and SES's answer nobody knows whether it was sent; then it is not sent
    # again, and the reminder reaches Bob.
    unknown = (call, kind) in {(3, Kind.KILLED_AFTER), (4, Kind.KILLED_BEFORE)}
    assert len(world.mails()) == int(not unknown)
    if unknown:
        remind_signer.handler({"requestId": ONE}, context)
    assert press(context, world.code(), decision="sign")[0] == 200
    assert [token for token, _ in world.machine.told] == ["second"]


@KILLS
@pytest.mark.parametrize("call", [1, 2])
def test_cancelling_again_after_a_kill_ends_the_task_that_waits(
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

HERS = request_id_of(EXECUTION)


def ended(status: str) -> dict[str, Any]:
    """What Step Functions says of an execution that has ended."""
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": EXECUTION, "status": status, "input": '{"documentId": "3"}'},
    }


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
@pytest.mark.parametrize("state", ["pending", "decided", "yet to come"])
def test_the_request_of_an_execution_that_has_ended_is_withdrawn(
    world: World, ask: Any, context: FakeContext, status: str, state: str
) -> None:
    if state != "yet to come":
        ask(HERS)
    if state == "decided":
        world.store.decide(HERS, Status.SIGNED, "", time.time())

    results = [withdraw_signature_request.handler(ended(status), context) for _ in range(2)]

    assert [one["withdrawn"] for one in results] == [True, False]  # at least once
    assert world.request(HERS).status is Status.CANCELLED
    assert "taskToken" not in world.item(HERS)
    if state == "yet to come":
        with pytest.raises(request_document_signature.SignatureRequestCancelledError):
            ask(HERS)
        assert world.mails() == []
        return
    code = world.code()
    answers = [
        show_signature_request.handler(event(code, HERS), context),
        decide_signature_request.handler(event(code, HERS, decision="sign"), context),
    ]
    for answer in answers:
        assert "Document 3 no longer needs your signature" in answer["body"]
        assert withdraw_signature_request.REASONS[status] in answer["body"]
    assert remind_signer.handler({"requestId": HERS}, context)["reminded"] is False
    assert world.machine.told == []


@pytest.mark.parametrize("state", ["delivered", "finalized"])
def test_what_the_machine_has_taken_is_not_withdrawn(
    world: World, ask: Any, context: FakeContext, state: str
) -> None:
    ask(HERS)
    if state == "delivered":
        complete_signature_request.handler({"requestId": HERS}, context)
    else:
        world.store.finalize(HERS, Status.SIGNED, time.time())

    assert not withdraw_signature_request.handler(ended("ABORTED"), context)["withdrawn"]
    assert world.request(HERS).status is Status.SIGNED


def test_a_request_that_never_came_is_in_no_list(world: World, context: FakeContext) -> None:
    withdraw_signature_request.handler(ended("ABORTED"), context)

    assert world.store.with_status(Status.CANCELLED, 10, None).requests == []


# -- Nothing is said that is not known ------------------------------------------------------------


def test_who_cannot_know_whether_it_was_noted_says_so(
    world: World, ask: Any, context: FakeContext, deliver: Any
) -> None:
    """Every response to the note is lost, and every attempt to note it has taken effect."""
    ask()

    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem", times=EVERY)):
        status, page = press(context, world.code(), decision="sign")

    assert status == 503
    assert "it may have been stored already" in page
    deliver()
    assert world.request(ONE).delivered


def test_a_store_out_of_reach_is_transient(world: World, ask: Any, deliver: Any) -> None:
    with (
        injected(Fault(Kind.NOT_REACHED, "Query", times=EVERY)),
        pytest.raises(AwsUnavailableError),
    ):
        deliver()


# -- What is reported of mails --------------------------------------------------------------------


def test_a_reminder_that_ses_does_not_confirm_is_not_called_sent(
    world: World, ask: Any, context: FakeContext
) -> None:
    ask()

    with injected(Fault(Kind.RESPONSE_LOST, "SendEmail")):
        result = remind_signer.handler({"requestId": ONE}, context)

    assert result == {"reminded": False}
