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
MAX_WAIT_SECONDS = 10
KILLED = ["Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout"]
# StartExecution accepts these, but they are not valid ids.
INVALID_DOCUMENT_IDS = [1.5, "", "a b", "3\n", "3\r\nBcc: eve@example.com", "x" * 100_000, 2**60]


def calls_back(send: Callable[[Any, str], Any], after: threading.Event | None = None) -> Task:
    """Return the token in the background, once `after` is set; the function returns at once."""

    def task(payload: dict[str, Any]) -> None:
        # Not by its client: moto's API loses the cause of a failure.
        backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asl.REGION]

        def return_token() -> None:
            assert after is None or after.wait(MAX_WAIT_SECONDS)
            send(backend, payload["taskToken"])

        threading.Thread(target=return_token).start()

    return task


def signs(after: threading.Event | None = None) -> Task:
    return calls_back(lambda states, token: states.send_task_success(token, json.dumps(BOB)), after)


def declines(reason: str) -> Task:
    return calls_back(
        lambda states, token: states.send_task_failure(token, "SignatureDeclinedError", reason)
    )


def signature(input_: Any = None, seconds: int | None = None, **tasks: Task) -> Run:
    """Run the machine with tasks that succeed, except for `tasks`; Bob has `seconds`, if given."""
    succeeding: dict[str, Task] = {
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
    input_ = {"documentId": "3"} if input_ is None else input_
    with engine() as active:
        return active.run(definition, input_, succeeding | tasks, second=0.1)


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
def test_alices_signature_is_first_whoever_signs_first(first: str) -> None:
    alice_done, bob_done = threading.Event(), threading.Event()

    def alice(_: dict[str, Any]) -> Any:
        assert first == "Alice" or bob_done.wait(MAX_WAIT_SECONDS)
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
def test_a_document_id_that_is_a_number_becomes_a_string(given: Any, document: str) -> None:
    result = signature({"documentId": given})

    assert result.output["documentId"] == document
    # The functions get it unchanged, and check it.
    assert result.events_of("signDocument")[0]["documentId"] == given
    assert result.events_of("requestDocumentSignature")[0]["documentId"] == given


@pytest.mark.parametrize(
    "input_",
    [{}, {"documentId": None}, {"documentId": ["3"]}, {"documentId": True}],
    ids=str,
)
def test_without_a_document_id_no_function_is_called(input_: Any) -> None:
    result = signature(input_)

    assert (result.status, result.error) == ("FAILED", "InvalidDocumentIdError")
    assert not result.calls


def checked(task: Task) -> Task:
    """A function that checks the document's id first, as both functions do."""

    def check_first(event: dict[str, Any]) -> Any:
        try:
            document_id(event)
        except InvalidDocumentIdError as error:
            raise TaskError("InvalidDocumentIdError", str(error)) from None
        return task(event)

    return check_first


@pytest.mark.parametrize("given", INVALID_DOCUMENT_IDS, ids=lambda given: repr(given)[:20])
def test_an_invalid_document_id_has_its_own_error_and_calls_no_other_function(given: Any) -> None:
    result = signature(
        {"documentId": given},
        signDocument=checked(succeeds(ALICE)),
        requestDocumentSignature=checked(signs()),
    )

    assert (result.status, result.error) == ("FAILED", "InvalidDocumentIdError")
    assert "a whole number or a string of 1 to 128 letters" in (result.cause or "")
    assert {name for name, _ in result.calls} == {"signDocument", "requestDocumentSignature"}
    assert len(result.calls) == 2


def test_bobs_task_has_its_parameters_and_its_timeout() -> None:
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


def test_the_request_id_follows_from_the_executions_arn() -> None:
    (asked,) = signature().events_of("requestDocumentSignature")

    assert asked["requestId"] == request_id_of(asked["execution"])


# -- Not signed -----------------------------------------------------------------------------------


def test_a_decline_is_announced_and_ends_with_its_reason() -> None:
    result = signature(requestDocumentSignature=declines('too "dear" {really}'))

    assert (result.status, result.error) == ("FAILED", "SignatureDeclinedError")
    assert 'too "dear" {really}' in (result.cause or "")
    assert finalized_outcome(result) == "DECLINED"
    (announced,) = result.events_of("announceUnsignedDocument")
    assert [announced["gathered"][name]["outcome"] for name in ("alice", "bob")] == [
        "SIGNED",
        "DECLINED",
    ]
    assert result.visited[-4:] == [
        "Are Both Signatures There?",
        "Announce Unsigned Document",
        "Did Bob Decline?",
        "Signature Declined",
    ]


def test_without_a_decision_in_time_the_request_expires_and_the_cause_names_bob() -> None:
    result = signature(seconds=1, requestDocumentSignature=succeeds())

    assert (result.status, result.error) == ("FAILED", "SignaturesNotCollectedError")
    assert result.cause == "Document 3 - Alice signed; Bob did not decide in time."
    assert finalized_outcome(result) == "EXPIRED"
    (announced,) = result.events_of("announceUnsignedDocument")
    assert [announced["gathered"][name]["outcome"] for name in ("alice", "bob")] == [
        "SIGNED",
        "EXPIRED",
    ]
    assert result.visited[-3:] == [
        "Announce Unsigned Document",
        "Did Bob Decline?",
        "Signatures Not Collected",
    ]


STORED = {
    "SIGNED": {"status": "SIGNED", "signature": BOB},
    "DECLINED": {"status": "DECLINED", "reason": "too dear"},
}


@pytest.mark.parametrize(
    ("request_bob", "seconds", "state"),
    [
        (succeeds(), 1, "Bob Did Not Decide"),
        (fails("AwsRequestRefusedError"), None, "Request To Bob Cancelled"),
    ],
    ids=["until the deadline", "a later attempt fails"],
)
@pytest.mark.parametrize("decision", STORED)
def test_a_decision_stored_in_time_counts_even_if_it_was_not_delivered(
    decision: str, request_bob: Task, seconds: int | None, state: str
) -> None:
    """Step Functions was unreachable from Bob's decision on, until his deadline or until an error
    of another attempt to ask him."""
    result = signature(
        seconds=seconds,
        requestDocumentSignature=request_bob,
        finalizeSignatureRequest=succeeds(STORED[decision]),
    )

    assert state in result.visited
    if decision == "SIGNED":
        assert "Accept Signature" in result.visited
        assert (result.status, result.error) == ("SUCCEEDED", None)
        assert result.output == {"documentId": "3", "signatures": [ALICE, BOB]}
    else:
        assert "Accept Decline" in result.visited
        assert (result.status, result.error) == ("FAILED", "SignatureDeclinedError")
        assert result.cause == "Document 3 - Alice signed; Bob declined (too dear)."


def cancelling() -> dict[str, Task]:
    """Bob's task fails when his request is cancelled, as the real function does it."""
    cancelled = threading.Event()

    def cancel(_: dict[str, Any]) -> Any:
        cancelled.set()
        return {"status": "CANCELLED"}

    return {
        "cancelSignatureRequest": cancel,
        "requestDocumentSignature": calls_back(
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


def test_when_cancelling_fails_too_bobs_signature_alone_is_not_enough() -> None:
    result = signature(
        signDocument=fails("TypeError"), cancelSignatureRequest=fails("AccessDenied")
    )

    assert result.error == "SignaturesNotCollectedError"
    assert result.cause == ("Document 3 - Alice could not sign (TypeError); Bob signed.")


@pytest.mark.parametrize("error", ["MessageRejected", "TypeError"])
def test_when_bobs_request_cannot_be_sent_it_is_cancelled(error: str) -> None:
    result = signature(requestDocumentSignature=fails(error))

    assert (result.status, result.error) == ("FAILED", "SignaturesNotCollectedError")
    assert f"the request to Bob was cancelled ({error})" in (result.cause or "")
    assert finalized_outcome(result) == "CANCELLED"


def test_a_decline_counts_even_if_alice_failed() -> None:
    result = signature(signDocument=fails("TypeError"), requestDocumentSignature=declines("no"))

    assert result.error == "SignatureDeclinedError"
    assert "Alice could not sign" in (result.cause or "")


# -- Other failures -------------------------------------------------------------------------------

ENDINGS: dict[str, tuple[dict[str, Any], str | None]] = {
    "signed": ({}, None),
    "declined": ({"requestDocumentSignature": declines("no")}, "SignatureDeclinedError"),
    "expired": (
        {"requestDocumentSignature": succeeds(), "seconds": 1},
        "SignaturesNotCollectedError",
    ),
    "cancelled": ({"requestDocumentSignature": fails("Nope")}, "SignaturesNotCollectedError"),
}


@pytest.mark.parametrize(("changes", "error"), ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("function", ["finalizeSignatureRequest", "announceUnsignedDocument"])
def test_the_result_does_not_change_if_finalizing_or_announcing_fails(
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
        ("expired", "Bob Did Not Decide", "EXPIRED"),
        ("cancelled", "Request To Bob Cancelled", "CANCELLED"),
    ],
)
def test_the_history_and_the_table_have_the_outcome(ending: str, state: str, outcome: str) -> None:
    changes, _ = ENDINGS[ending]

    result = signature(**changes)

    shown = {"Bob Signed", "Bob Declined", "Bob Did Not Decide", "Request To Bob Cancelled"}
    assert shown & set(result.visited) == {state}
    assert finalized_outcome(result) == outcome


@pytest.mark.parametrize("error", TRANSIENT + KILLED)
@pytest.mark.parametrize("function", ["signDocument", "requestDocumentSignature"])
def test_a_transient_error_is_retried(function: str, error: str) -> None:
    success = succeeds(ALICE) if function == "signDocument" else signs()

    result = signature(**{function: in_turn(fails(error), fails(error), success)})

    assert result.status == "SUCCEEDED"
    assert len(result.events_of(function)) == 3


@pytest.mark.parametrize("state", [s for s in asl.states("signature") if s.function], ids=str)
def test_every_killed_function_is_retried(state: asl.State) -> None:
    retried = {name for rule in state.body["Retry"] for name in rule["ErrorEquals"]}

    assert retried >= set(KILLED)


def test_a_function_that_is_always_killed_is_tried_three_times() -> None:
    result = signature(signDocument=fails("Sandbox.Timedout"), **cancelling())

    assert len(result.events_of("signDocument")) == 3
    assert "Alice could not sign (Sandbox.Timedout)" in (result.cause or "")


def test_a_retried_task_has_the_same_request_id() -> None:
    result = signature(requestDocumentSignature=in_turn(fails("AwsUnavailableError"), signs()))

    first, second = result.events_of("requestDocumentSignature")
    assert first["requestId"] == second["requestId"]
    assert first["enteredAt"] == second["enteredAt"]


def test_retries_are_limited() -> None:
    result = signature(signDocument=fails("AwsUnavailableError"), **cancelling())

    assert len(result.events_of("signDocument")) == 6  # the first try and five more
    assert result.error == "SignaturesNotCollectedError"


def test_states_stay_small() -> None:
    result = signature(requestDocumentSignature=declines("x" * 500))

    assert max(result.sizes.values()) < 32 * 1024


def test_only_bobs_task_gets_the_token() -> None:
    result = signature()
    token = result.events_of("requestDocumentSignature")[0]["taskToken"]

    for function, event in result.calls:
        assert function == "requestDocumentSignature" or token not in json.dumps(event)
    assert token not in json.dumps(result.output)
