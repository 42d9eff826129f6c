"""Every path of the signature machine, on moto's engine."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from handlers.signature.errors import InvalidDocumentIdError
from handlers.signature.request import document_id, request_id_of
from tests.support import asl
from tests.support.engine import Run, Task, TaskError, engine, fails, in_turn, succeeds
from tests.support.error_names import TRANSIENT

ALICE, BOB = (
    {"signer": name, "documentId": "3", "signature": f"{name} signed 3", "signedAt": "now"}
    for name in ("Alice", "Bob")
)
PATIENCE = 10
KILLED = ["Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout"]
# What StartExecution takes and no document has as its id.
BAD_DOCUMENTS = [1.5, "", "a b", "3\n", "3\r\nBcc: eve@example.com", "x" * 100_000, 2**60]


def tells(send: Callable[[Any, str], Any], after: threading.Event | None = None) -> Task:
    """The signer's answer through the token, once `after` is set; the function returns at once."""

    def task(payload: dict[str, Any]) -> None:
        # Not by its client: moto's API loses the cause of a failure.
        backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]

        def answer() -> None:
            assert after is None or after.wait(PATIENCE)
            send(backend, payload["taskToken"])

        threading.Thread(target=answer).start()

    return task


def signs(after: threading.Event | None = None) -> Task:
    return tells(lambda states, token: states.send_task_success(token, json.dumps(BOB)), after)


def declines(reason: str) -> Task:
    return tells(
        lambda states, token: states.send_task_failure(token, "SignatureDeclinedError", reason)
    )


def signature(input_: Any = None, seconds: int | None = None, **tasks: Task) -> Run:
    """Run the machine with all well but for `tasks`; Bob has `seconds`, if given."""
    well: dict[str, Task] = {
        "signDocument": succeeds(ALICE),
        "requestDocumentSignature": signs(),
        "cancelSignatureRequest": succeeds({"status": "CANCELLED"}),
        "finalizeSignatureRequest": succeeds({"status": "FINALIZED"}),
        "announceUnsignedDocument": succeeds({"status": "sent"}),
    }
    definition = json.loads(json.dumps(asl.definition("signature")))
    if seconds is not None:
        bob = definition["States"]["Gather Signatures"]["Branches"][1]["States"]
        bob["Bob Signature"]["TimeoutSeconds"] = seconds
    given = {"documentId": "3"} if input_ is None else input_
    with engine() as active:
        return active.run(definition, given, well | tasks)


def finalized_outcome(run: Run) -> str:
    (event,) = run.events_of("finalizeSignatureRequest")
    return str(event["outcome"])


# -- Both sign ------------------------------------------------------------------------------------


def test_both_sign_and_the_result_is_the_document_with_both_signatures() -> None:
    result = signature()

    assert result.status == "SUCCEEDED", result.cause
    assert result.output == {"documentId": "3", "signatures": [ALICE, BOB]}
    assert finalized_outcome(result) == "SIGNED"
    assert not result.events_of("announceUnsignedDocument")
    assert not result.events_of("cancelSignatureRequest")


@pytest.mark.parametrize("first", ["Alice", "Bob"])
def test_whoever_signs_first_alice_comes_first_in_the_result(first: str) -> None:
    alice_done, bob_done = threading.Event(), threading.Event()

    def alice(_: dict[str, Any]) -> Any:
        assert first == "Alice" or bob_done.wait(PATIENCE)
        alice_done.set()
        return ALICE

    def finalize(_: dict[str, Any]) -> Any:
        bob_done.set()
        return {}

    result = signature(
        signDocument=alice,
        requestDocumentSignature=signs(after=alice_done if first == "Alice" else None),
        finalizeSignatureRequest=finalize,
    )

    assert [one["signer"] for one in result.output["signatures"]] == ["Alice", "Bob"]


@pytest.mark.parametrize(
    ("given", "document"),
    [("3", "3"), (3, "3"), (1234567890123, "1234567890123"), ("a-b_c.d:e", "a-b_c.d:e")],
)
def test_a_document_is_a_string_or_a_number_that_becomes_one(given: Any, document: str) -> None:
    result = signature({"documentId": given})

    assert result.output["documentId"] == document
    # The functions see it as it was given, and check it.
    assert result.events_of("signDocument")[0]["documentId"] == given
    assert result.events_of("requestDocumentSignature")[0]["documentId"] == given


@pytest.mark.parametrize(
    "input_",
    [{}, {"documentId": None}, {"documentId": ["3"]}, {"documentId": True}],
    ids=str,
)
def test_without_a_document_nobody_is_asked(input_: Any) -> None:
    result = signature(input_)

    assert (result.status, result.error) == ("FAILED", "InvalidDocumentIdError")
    assert not result.calls


def checked(task: Task) -> Task:
    """A function that looks at the document's id before it does anything else, as both do."""

    def check_first(event: dict[str, Any]) -> Any:
        try:
            document_id(event)
        except InvalidDocumentIdError as error:
            raise TaskError("InvalidDocumentIdError", str(error)) from None
        return task(event)

    return check_first


@pytest.mark.parametrize("given", BAD_DOCUMENTS, ids=lambda given: repr(given)[:20])
def test_what_is_no_document_is_refused_by_name_and_nobody_hears_of_it(given: Any) -> None:
    result = signature(
        {"documentId": given},
        signDocument=checked(succeeds(ALICE)),
        requestDocumentSignature=checked(signs()),
    )

    assert (result.status, result.error) == ("FAILED", "InvalidDocumentIdError")
    assert "a whole number or a string of 1 to 128 letters" in (result.cause or "")
    assert {name for name, _ in result.calls} == {"signDocument", "requestDocumentSignature"}
    assert len(result.calls) == 2


def test_bob_is_asked_with_all_that_it_takes_and_for_as_long_as_the_parameter_says() -> None:
    result = signature()

    (asked,) = result.events_of("requestDocumentSignature")
    bob = next(state for state in asl.states("signature") if state.name == "Bob Signature")
    assert asked["timeoutSeconds"] == bob.body["TimeoutSeconds"] == 7 * 24 * 3600
    assert asked["enteredAt"].startswith("20")
    assert ":execution:" in asked["execution"]
    assert asked["taskToken"]
    assert set(asked["reminder"]) == {"functionArn", "roleArn", "failureQueueArn"}
    assert finalized_outcome(result) == "SIGNED"
    assert result.events_of("finalizeSignatureRequest")[0]["requestId"] == asked["requestId"]


def test_each_execution_has_a_request_of_its_own() -> None:
    first, second = (
        signature().events_of("requestDocumentSignature")[0]["requestId"] for _ in range(2)
    )

    assert first != second


def test_the_end_of_an_execution_leads_to_its_request() -> None:
    (asked,) = signature().events_of("requestDocumentSignature")

    assert asked["requestId"] == request_id_of(asked["execution"])


# -- Not signed -----------------------------------------------------------------------------------


def test_a_decline_is_announced_and_ends_with_its_reason() -> None:
    result = signature(requestDocumentSignature=declines('too "dear" {really}'))

    assert (result.status, result.error) == ("FAILED", "SignatureDeclinedError")
    assert 'too "dear" {really}' in (result.cause or "")
    assert finalized_outcome(result) == "DECLINED"
    (told,) = result.events_of("announceUnsignedDocument")
    assert [told["gathered"][who]["outcome"] for who in ("alice", "bob")] == ["SIGNED", "DECLINED"]
    assert result.visited[-4:] == [
        "Are Both Signatures There?",
        "Announce Unsigned Document",
        "Did Bob Decline?",
        "Signature Declined",
    ]


def test_without_an_answer_in_time_the_request_expires_and_bob_is_named() -> None:
    result = signature(seconds=1, requestDocumentSignature=succeeds())

    assert (result.status, result.error) == ("FAILED", "SignaturesNotCollectedError")
    assert result.cause == "Document 3 - Alice signed; Bob did not answer in time."
    assert finalized_outcome(result) == "EXPIRED"
    (told,) = result.events_of("announceUnsignedDocument")
    assert [told["gathered"][who]["outcome"] for who in ("alice", "bob")] == ["SIGNED", "EXPIRED"]
    assert result.visited[-3:] == [
        "Announce Unsigned Document",
        "Did Bob Decline?",
        "Signatures Not Collected",
    ]


NOTED = {
    "SIGNED": {"status": "SIGNED", "signature": BOB},
    "DECLINED": {"status": "DECLINED", "reason": "too dear"},
}


@pytest.mark.parametrize("decision", NOTED)
def test_a_decision_that_was_noted_in_time_counts_though_the_machine_was_not_told(
    decision: str,
) -> None:
    """Step Functions was out of reach from Bob's decision until his time was over."""
    result = signature(
        seconds=1,
        requestDocumentSignature=succeeds(),
        finalizeSignatureRequest=succeeds(NOTED[decision]),
    )

    assert "Bob Did Not Answer" in result.visited
    if decision == "SIGNED":
        assert "Accept Signature" in result.visited
        assert (result.status, result.error) == ("SUCCEEDED", None)
        assert result.output == {"documentId": "3", "signatures": [ALICE, BOB]}
    else:
        assert "Accept Decline" in result.visited
        assert (result.status, result.error) == ("FAILED", "SignatureDeclinedError")
        assert result.cause == "Document 3 - Alice signed; Bob declined (too dear)."


def cancelling() -> dict[str, Task]:
    """Bob's task ends when his request is cancelled, as the function would have it."""
    cancelled = threading.Event()

    def cancel(_: dict[str, Any]) -> Any:
        cancelled.set()
        return {"status": "CANCELLED"}

    return {
        "cancelSignatureRequest": cancel,
        "requestDocumentSignature": tells(
            lambda states, token: states.send_task_failure(
                token, "SignatureRequestCancelledError", "Alice could not sign the document"
            ),
            after=cancelled,
        ),
    }


@pytest.mark.parametrize("error", ["AccessDenied", "TypeError"])
def test_when_alice_fails_bobs_request_is_cancelled(error: str) -> None:
    result = signature(signDocument=fails(error), **cancelling())

    assert (result.status, result.error) == ("FAILED", "SignaturesNotCollectedError")
    assert f"Alice could not sign ({error})" in (result.cause or "")
    (cancelled,) = result.events_of("cancelSignatureRequest")
    (asked,) = result.events_of("requestDocumentSignature")
    assert cancelled["requestId"] == asked["requestId"]
    assert finalized_outcome(result) == "CANCELLED"
    assert len(result.events_of("signDocument")) == 1  # such an error is not retried


def test_when_cancelling_fails_too_bob_may_still_sign_but_it_is_not_enough() -> None:
    result = signature(
        signDocument=fails("TypeError"), cancelSignatureRequest=fails("AccessDenied")
    )

    assert result.error == "SignaturesNotCollectedError"
    assert result.cause == ("Document 3 - Alice could not sign (TypeError); Bob signed.")


@pytest.mark.parametrize("error", ["MessageRejected", "TypeError"])
def test_when_bob_cannot_be_asked_his_request_is_withdrawn(error: str) -> None:
    result = signature(requestDocumentSignature=fails(error))

    assert (result.status, result.error) == ("FAILED", "SignaturesNotCollectedError")
    assert f"the request to Bob was withdrawn ({error})" in (result.cause or "")
    assert finalized_outcome(result) == "CANCELLED"


def test_a_decline_counts_though_alice_has_failed() -> None:
    result = signature(signDocument=fails("TypeError"), requestDocumentSignature=declines("no"))

    assert result.error == "SignatureDeclinedError"
    assert "Alice could not sign" in (result.cause or "")


# -- What fails beside it -------------------------------------------------------------------------

ENDINGS: dict[str, tuple[dict[str, Any], str | None]] = {
    "signed": ({}, None),
    "declined": ({"requestDocumentSignature": declines("no")}, "SignatureDeclinedError"),
    "expired": (
        {"requestDocumentSignature": succeeds(), "seconds": 1},
        "SignaturesNotCollectedError",
    ),
    "withdrawn": ({"requestDocumentSignature": fails("Nope")}, "SignaturesNotCollectedError"),
}


@pytest.mark.parametrize(("changes", "error"), ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("function", ["finalizeSignatureRequest", "announceUnsignedDocument"])
def test_a_note_or_a_mail_that_fails_never_changes_the_end(
    changes: dict[str, Any], error: str | None, function: str
) -> None:
    result = signature(**changes, **{function: fails("AccessDenied")})

    assert result.error == error
    assert (result.status == "SUCCEEDED") == (error is None)


@pytest.mark.parametrize(
    ("ending", "state", "outcome"),
    [
        ("signed", "Bob Signed", "SIGNED"),
        ("declined", "Bob Declined", "DECLINED"),
        ("expired", "Bob Did Not Answer", "EXPIRED"),
        ("withdrawn", "Bob Is Not Needed", "CANCELLED"),
    ],
)
def test_the_history_shows_the_outcome_and_the_table_gets_it(
    ending: str, state: str, outcome: str
) -> None:
    changes, _ = ENDINGS[ending]

    result = signature(**changes)

    shown = {"Bob Signed", "Bob Declined", "Bob Did Not Answer", "Bob Is Not Needed"}
    assert shown & set(result.visited) == {state}
    assert finalized_outcome(result) == outcome


@pytest.mark.parametrize("error", TRANSIENT + KILLED)
@pytest.mark.parametrize("function", ["signDocument", "requestDocumentSignature"])
def test_a_passing_fault_is_retried_and_forgotten(function: str, error: str) -> None:
    well = succeeds(ALICE) if function == "signDocument" else signs()

    result = signature(**{function: in_turn(fails(error), fails(error), well)})

    assert result.status == "SUCCEEDED"
    assert len(result.events_of(function)) == 3


@pytest.mark.parametrize("state", [s for s in asl.states("signature") if s.function], ids=str)
def test_every_function_that_was_killed_is_called_again(state: asl.State) -> None:
    retried = {name for rule in state.body["Retry"] for name in rule["ErrorEquals"]}

    assert retried >= set(KILLED)


def test_a_function_that_is_killed_each_time_is_given_up_soon() -> None:
    result = signature(signDocument=fails("Sandbox.Timedout"), **cancelling())

    assert len(result.events_of("signDocument")) == 3
    assert "Alice could not sign (Sandbox.Timedout)" in (result.cause or "")


def test_a_task_that_is_tried_again_is_about_the_same_request() -> None:
    result = signature(requestDocumentSignature=in_turn(fails("AwsUnavailableError"), signs()))

    first, second = result.events_of("requestDocumentSignature")
    assert first["requestId"] == second["requestId"]
    assert first["enteredAt"] == second["enteredAt"]


def test_retries_end() -> None:
    result = signature(signDocument=fails("AwsUnavailableError"), **cancelling())

    assert len(result.events_of("signDocument")) == 6  # the first try and five more
    assert result.error == "SignaturesNotCollectedError"


def test_nothing_grows_between_states() -> None:
    result = signature(requestDocumentSignature=declines("x" * 500))

    assert max(result.sizes.values()) < 32 * 1024


def test_no_token_leaves_bobs_task() -> None:
    result = signature()
    token = result.events_of("requestDocumentSignature")[0]["taskToken"]

    for function, event in result.calls:
        assert function == "requestDocumentSignature" or token not in json.dumps(event)
    assert token not in json.dumps(result.output)
