"""The signature workflow from outside: a document is started, mails are read, buttons pressed."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from local import api
from local.aws import until
from local.errors import LocalError
from local.signing import Signing, request_id
from tests.support import mails
from tests.support.checks import only_on_aws

SIGNED_PATH = {
    *("Alice Signature", "Alice Signed"),
    *("Bob Signature", "Bob Signed", "Finalize Signature Request"),
    "Document Signed",
}


def output(execution: dict[str, Any]) -> Any:
    return json.loads(execution["output"])


def item(signing: Signing, request: str) -> dict[str, Any]:
    """A request as it is stored."""
    found: dict[str, Any] = signing.aws.client("dynamodb").get_item(
        TableName=signing.aws.outputs["SignatureRequestsTable"],
        Key={"requestId": {"S": request}},
        ConsistentRead=True,
    )["Item"]
    return found


# -- Signed ---------------------------------------------------------------------------------------


@pytest.mark.check("signature-happy")
@pytest.mark.check("callback-role", only_on_aws="ministack's IAM decides, not AWS's")
def test_both_sign_and_the_document_has_two_signatures(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    response = signing.decide(link, "sign")

    assert (response.status, f"You signed document {document}" in response.text) == (200, True)
    ended = signing.aws.wait_for_end(execution)
    assert ended["status"] == "SUCCEEDED"
    alice, bob = output(ended)["signatures"]
    assert output(ended) == {"documentId": document, "signatures": [alice, bob]}
    assert alice | {"signedAt": ""} == {
        "signer": "Alice",
        "documentId": document,
        "signature": f"Alice signed {document}",
        "signedAt": "",
    }
    assert bob | {"signedAt": ""} == {
        "signer": "Bob",
        "documentId": document,
        "signature": f"Bob signed {document}",
        "signedAt": "",
    }
    assert alice["signedAt"].startswith("20")
    assert set(signing.aws.visited(execution)) >= SIGNED_PATH
    if signing.aws.is_local:
        assert not signing.aws.mails(f"Document {document} was")  # no mail to the owner


@pytest.mark.check(
    "whole-number-document", only_on_aws="its States.Format is written in Python, not in Java"
)
def test_a_document_id_may_be_a_whole_number(signing: Signing) -> None:
    number = random.randrange(2**52, 2**53)  # more digits than most engines print as they are
    execution = signing.start(number)

    signing.decide(signing.link(str(number)), "sign")

    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["documentId"] == str(number)
    assert [one["documentId"] for one in output(ended)["signatures"]] == [str(number)] * 2


def test_bob_may_be_faster_than_alice(signing: Signing, document: str) -> None:
    """His function responses at once here, hers takes a second."""
    execution = signing.start(document)
    until("Bob's mail", lambda: signing.links(document))

    signing.aws.invoke("completeSignatureRequest", {"documentId": document})

    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


@pytest.mark.check("signature-start-execution")
def test_an_execution_can_be_started_without_the_api(signing: Signing, document: str) -> None:
    execution = signing.start_on(signing.machine, document)

    signing.decide(signing.link(document), "sign")

    assert output(signing.aws.wait_for_end(execution))["documentId"] == document


@pytest.mark.parametrize(
    "input_",
    [
        {},
        {"documentId": None},
        {"documentId": ["3"]},
        {"documentId": True},
        {"documentId": 1.5},
        {"documentId": "no blanks"},
        {"documentId": "3\n"},
        {"documentId": "3\r\nBcc: eve@example.com"},
        {"documentId": "x" * 100_000},
    ],
    ids=lambda input_: repr(input_)[:40],
)
def test_an_invalid_document_id_has_its_own_error(signing: Signing, input_: dict[str, Any]) -> None:
    execution = signing.aws.client("stepfunctions").start_execution(
        stateMachineArn=signing.machine, input=json.dumps(input_)
    )["executionArn"]

    ended = signing.aws.wait_for_end(execution)

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidDocumentIdError")
    assert "a whole number or a string of 1 to 128 letters" in ended["cause"]
    assert len(ended["cause"]) < 200


# -- Not signed -----------------------------------------------------------------------------------


@pytest.mark.check("signature-failing")
def test_bob_declines_and_the_owner_reads_why(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    reason = 'The price is "wrong" & <b>too high</b>'

    response = signing.decide(signing.link(document), "decline", reason)

    assert "You declined to sign" in response.text
    ended = signing.aws.wait_for_end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "SignatureDeclinedError")
    assert reason in ended["cause"]
    assert mails.accepted(signing.aws, f"unsigned-document#{execution}")
    if signing.aws.is_local:
        (mail,) = signing.aws.mails(f"Document {document} was declined")
        assert mail["To"] == ["owner@example.com"]
        assert reason in mail["BodyText"]
        assert "<b>" not in mail["BodyHtml"]


def test_a_document_that_is_not_signed_in_time_expires(signing: Signing, document: str) -> None:
    with signing.machine_with_timeout(seconds=5) as machine:
        execution = signing.start_on(machine, document)
        link = signing.link(document)

        ended = signing.aws.wait_for_end(execution)

        assert (ended["status"], ended["error"]) == ("FAILED", "SignaturesNotCollectedError")
        assert "Alice signed" in ended["cause"]
        assert "Bob did not decide in time" in ended["cause"]
        assert [one["requestId"] for one in signing.requests("expired", document)] == [
            request_id(link)
        ]
        assert signing.open(link).status == 404
        assert signing.decide(link, "sign").status == 404
        late = signing.aws.invoke("completeSignatureRequest", {"documentId": document})
        assert (late["outcome"], late["status"]) == ("TOO_LATE", "EXPIRED")
        (mail,) = signing.aws.mails(f"Document {document} was not signed")
        assert "Bob did not decide in time" in mail["BodyText"]


@pytest.fixture
def machine_with_failing_alice(signing: Signing) -> Any:
    """A copy of the machine in which Alice's function is another one, which fails at once."""
    states = signing.aws.client("stepfunctions")
    broken = signing.aws.client("lambda").get_function_configuration(
        FunctionName=signing.aws.function_name("finalizeSignatureRequest")
    )["FunctionArn"]
    with signing.machine_with_timeout(seconds=300) as machine:
        definition = json.loads(
            states.describe_state_machine(stateMachineArn=machine)["definition"]
        )
        alice = definition["States"]["Gather Signatures"]["Branches"][0]["States"]
        alice["Alice Signature"]["Resource"] = broken
        states.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))
        yield machine


def test_when_alice_fails_bobs_request_is_cancelled_and_his_link_says_so(
    signing: Signing, document: str, machine_with_failing_alice: str
) -> None:
    started = time.monotonic()
    execution = signing.start_on(machine_with_failing_alice, document)

    ended = signing.aws.wait_for_end(execution)

    assert time.monotonic() - started < 60  # not the 300 s that Bob would have had
    assert (ended["status"], ended["error"]) == ("FAILED", "SignaturesNotCollectedError")
    assert "Alice could not sign" in ended["cause"]
    (cancelled,) = signing.requests("cancelled", document)
    assert cancelled["reason"] == "Alice could not sign the document"
    assert len(signing.aws.mails(f"Document {document} was not signed")) == 1
    for link in signing.links(document):  # none, if Alice failed before Bob was asked
        page = signing.open(link)
        assert (page.status, "no longer needs your signature" in page.text) == (200, True)
        assert "<form" not in page.text


# -- Many, and at once ----------------------------------------------------------------------------


def test_twenty_documents_at_once_in_any_order(signing: Signing, document: str) -> None:
    documents = [f"{document}-{number}" for number in range(20)]
    chance = random.Random(document)
    decisions = {one: chance.choice(["sign", "decline"]) for one in documents}

    with ThreadPoolExecutor(20) as pool:
        executions = dict(zip(documents, pool.map(signing.start, documents), strict=True))
    until("a mail about each", lambda: all(map(signing.links, documents)), 120)
    links = {one: signing.link(one) for one in documents}
    chance.shuffle(documents)
    with ThreadPoolExecutor(4) as pool:  # API Gateway gives each 29 seconds
        responses = list(
            pool.map(lambda one: signing.decide(links[one], decisions[one], one), documents)
        )

    assert {response.status for response in responses} == {200}
    for one in documents:
        ended = signing.aws.wait_for_end(executions[one])
        if decisions[one] == "sign":
            assert output(ended)["signatures"][1]["signature"] == f"Bob signed {one}"
        else:
            assert ended["error"] == "SignatureDeclinedError"
            assert f"({one})" in ended["cause"]


def test_two_executions_for_one_document_have_two_requests(signing: Signing, document: str) -> None:
    first, second = signing.start(document), signing.start(document)
    signing.link(document, count=2)
    one, other = signing.links(document)
    assert request_id(one) != request_id(other)

    result = signing.aws.invoke("completeSignatureRequest", {"documentId": document})

    assert result["outcome"] == "SEVERAL_PENDING"
    assert set(result["requestIds"]) == {request_id(one), request_id(other)}
    assert len(signing.requests("pending", document)) == 2
    signing.aws.invoke("completeSignatureRequest", {"requestId": request_id(one)})
    signing.aws.invoke(
        "completeSignatureRequest", {"documentId": document, "decision": "decline", "reason": "no"}
    )
    ended = [signing.aws.wait_for_end(execution)["status"] for execution in (first, second)]
    assert sorted(ended) == ["FAILED", "SUCCEEDED"]


def test_a_double_click_signs_once(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: signing.decide(link, "sign"), range(4)))

    assert {response.status for response in responses} == {200}
    assert all(f"You signed document {document}" in response.text for response in responses)
    assert len([response for response in responses if "Thank you" in response.text]) == 1
    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_of_two_decisions_at_once_one_counts(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    with ThreadPoolExecutor(2) as pool:
        signed, declined = pool.map(lambda one: signing.decide(link, one), ["sign", "decline"])

    ended = signing.aws.wait_for_end(execution)
    counts = "You signed" if ended["status"] == "SUCCEEDED" else "You declined"
    assert counts in signed.text
    assert counts in declined.text


def test_a_decision_at_the_deadline_is_either_in_time_or_not(
    signing: Signing, document: str
) -> None:
    """The response to a decision at the deadline agrees with the execution's outcome."""
    with signing.machine_with_timeout(seconds=5) as machine:
        documents = [f"{document}-{number}" for number in range(6)]
        executions = {one: signing.start_on(machine, one) for one in documents}
        links = {one: signing.link(one) for one in documents}

        def decide_at_deadline(number: int) -> tuple[str, int]:
            one = documents[number]
            expires = float(item(signing, request_id(links[one]))["expiresAt"]["N"])
            due = expires + (number - 3) * 0.05
            until("the deadline", lambda: time.time() >= due)
            return one, signing.decide(links[one], "sign").status

        with ThreadPoolExecutor(6) as pool:
            responses = dict(pool.map(decide_at_deadline, range(6)))

        for one, status in responses.items():
            ended = signing.aws.wait_for_end(executions[one])["status"]
            finalized = until(
                "the finalized request",
                lambda one=one: (
                    item(signing, request_id(links[one])).get("finalized")
                    and item(signing, request_id(links[one]))
                ),
            )
            in_time = (ended, finalized["status"]["S"]) == ("SUCCEEDED", "SIGNED")
            too_late = (ended, finalized["status"]["S"]) == ("FAILED", "EXPIRED")
            # 202: stored in time, and found by the machine after its own timeout.
            assert (status in (200, 202) and in_time) or (status == 404 and too_late)


# -- Completing by hand ---------------------------------------------------------------------------


@pytest.mark.check("used-token", only_on_aws="local/gaps/task_tokens.py decides")
def test_a_used_token_is_a_task_that_timed_out(signing: Signing, document: str) -> None:
    """A second delivery of a decision is told from a refused one by this error (decision 0011)."""
    execution = signing.start(document)
    link = signing.link(document)
    token = item(signing, request_id(link))["taskToken"]["S"]
    signing.decide(link, "sign")
    signing.aws.wait_for_end(execution)
    states = signing.aws.client("stepfunctions")

    with pytest.raises(states.exceptions.ClientError) as refused:
        states.send_task_success(taskToken=token, output="{}")

    assert refused.value.response["Error"]["Code"] in ("TaskTimedOut", "TaskDoesNotExist")


def test_a_second_call_returns_already_finished(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    first = signing.aws.invoke("completeSignatureRequest", {"documentId": document})
    signing.aws.wait_for_end(execution)
    second = signing.aws.invoke(
        "completeSignatureRequest", {"requestId": request_id(link), "decision": "decline"}
    )

    assert (first["outcome"], first["status"]) == ("COMPLETED", "SIGNED")
    assert (second["outcome"], second["status"]) == ("ALREADY_FINISHED", "SIGNED")
    assert "was finished" in second["message"]


def test_an_unknown_request_is_not_found(signing: Signing, document: str) -> None:
    for event in ({"documentId": document}, {"requestId": document}):
        with pytest.raises(LocalError, match="SignatureRequestNotFoundError"):
            signing.aws.invoke("completeSignatureRequest", event)


def test_a_crash_between_storing_and_delivering_is_repaired_by_a_second_call(
    signing: Signing, document: str
) -> None:
    execution = signing.start(document)
    link = signing.link(document)
    # As if a function was killed after its conditional update.
    signing.aws.client("dynamodb").update_item(
        TableName=signing.aws.outputs["SignatureRequestsTable"],
        Key={"requestId": {"S": request_id(link)}},
        UpdateExpression="SET #status = :signed, finishedAt = :now",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":signed": {"S": "SIGNED"}, ":now": {"N": "1767182400"}},
    )

    result = signing.aws.invoke(
        "completeSignatureRequest", {"documentId": document, "decision": "decline"}
    )

    assert (result["outcome"], result["status"]) == ("ALREADY_FINISHED", "SIGNED")
    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["signatures"][1]["signedAt"] == "2025-12-31T12:00:00Z"


def test_an_undelivered_decision_is_delivered_by_the_service(
    signing: Signing, document: str
) -> None:
    """Until then the page says so. The test calls the function that the schedule would call."""
    execution = signing.start(document)
    link = signing.link(document)
    leave_undelivered(signing, link)

    page = signing.open(link)
    assert (page.status, "is stored, but not delivered yet" in page.text) == (200, True)
    assert "Send it again" in page.text
    assert signing.aws.invoke("deliverDecisions", {})["delivered"] >= 1

    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["signatures"][1]["signedAt"] == "2025-12-31T12:00:00Z"
    assert f"You signed document {document}" in signing.open(link).text


@pytest.mark.check("schedules-run", only_on_aws="its scheduler assumes no role")
@pytest.mark.timeout(600)
def test_a_schedule_delivers_an_undelivered_decision(signing: Signing, document: str) -> None:
    """It runs every two minutes, and takes decisions that are older than one."""
    execution = signing.start(document)
    leave_undelivered(signing, signing.link(document))
    only_on_aws(signing.aws, "its schedules run, but two minutes are too long for `make test`")

    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_a_schedule_calls_deliver_decisions(signing: Signing) -> None:
    schedules = signing.aws.client("scheduler").list_schedules(GroupName="default")["Schedules"]

    targets = {one["Target"]["Arn"].rpartition(":")[2] for one in schedules}
    assert signing.aws.function_name("deliverDecisions") in targets


def test_a_decision_stored_before_the_deadline_counts_even_if_it_was_never_delivered(
    signing: Signing, document: str
) -> None:
    with signing.machine_with_timeout(seconds=6) as machine:
        execution = signing.start_on(machine, document)
        leave_undelivered(signing, signing.link(document))

        ended = signing.aws.wait_for_end(execution)

        assert ended["status"] == "SUCCEEDED"
        assert output(ended)["signatures"][1]["signature"] == f"Bob signed {document}"
        assert not signing.aws.mails(f"Document {document} was not signed")


def leave_undelivered(signing: Signing, link: str) -> None:
    """As if a function stored a signature and did not reach Step Functions."""
    signing.aws.client("dynamodb").update_item(
        TableName=signing.aws.outputs["SignatureRequestsTable"],
        Key={"requestId": {"S": request_id(link)}},
        UpdateExpression="SET #status = :signed, finishedAt = :now, undelivered = :yes",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":signed": {"S": "SIGNED"},
            ":now": {"N": "1767182400"},
            ":yes": {"S": "yes"},
        },
    )


@pytest.mark.check(
    "status-change-events", only_on_aws="it publishes every change of status, at once and once"
)
def test_the_request_of_a_stopped_execution_is_withdrawn(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    signing.aws.client("stepfunctions").stop_execution(executionArn=execution)

    until("the request to be withdrawn", lambda: signing.requests("cancelled", document))
    for response in (signing.open(link), signing.decide(link, "sign")):
        assert f"Document {document} no longer needs your signature" in response.text
        assert "was stopped" in response.text
    assert signing.aws.invoke("remindSigner", {"requestId": request_id(link)}) == {
        "reminded": False
    }
    if signing.aws.is_local:
        assert len(signing.aws.mails(document)) == 1  # the first one to Bob


# -- The reminder ---------------------------------------------------------------------------------


def test_bob_is_reminded_once_at_half_the_time_unless_he_has_decided(
    signing: Signing, document: str
) -> None:
    """The local scheduler looks every ten seconds, so half of 26 seconds may be 23."""
    with signing.machine_with_timeout(seconds=26) as machine:
        decided, waiting = f"{document}-decided", f"{document}-waiting"
        executions = [signing.start_on(machine, one) for one in (decided, waiting)]
        signing.decide(signing.link(decided), "sign")
        first = signing.link(waiting)

        reminder = until(
            "the reminder", lambda: signing.links(waiting, "Reminder: please sign"), 26
        )[0]

        requested, expires = (
            float(item(signing, request_id(first))[name]["N"])
            for name in ("requestedAt", "expiresAt")
        )
        assert time.time() >= (requested + expires) / 2
        assert request_id(reminder) == request_id(first)
        assert reminder != first
        assert signing.open(first).status == signing.open(reminder).status == 200
        again = signing.aws.invoke("remindSigner", {"requestId": request_id(first)})
        assert again == {"reminded": True}  # but by no second mail
        assert signing.decide(reminder, "sign").status == 200
        assert {signing.aws.wait_for_end(one)["status"] for one in executions} == {"SUCCEEDED"}
        assert len(signing.links(waiting, "Reminder: please sign")) == 1
        assert not signing.links(decided, "Reminder: please sign")


# -- The API --------------------------------------------------------------------------------------

REFUSED = {
    "no document": {},
    "another field": {"documentId": "3", "owner": "x"},
    "a blank": {"documentId": "3 4"},
    "a header": {"documentId": "3\r\nBcc: eve@example.com"},
    "empty": {"documentId": ""},
    "too long": {"documentId": "x" * 129},
    "a fraction": {"documentId": 3.5},
    "a list": {"documentId": ["3"]},
    "true": {"documentId": True},
    "a script": {"documentId": "<script>"},
    "not JSON": "documentId=3",
}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            {"documentId": 'a "b" c'},
            id="quotation marks",
            marks=pytest.mark.check(
                "validation-error-string",
                only_on_aws="local/gaps/api_request_validation.py makes the reason",
            ),
        ),
        pytest.param(
            {"documentId": "3\n"},
            id="a line break at the end",
            marks=pytest.mark.check(
                "schema-patterns", only_on_aws="Python's engine compares the patterns, not Java's"
            ),
        ),
        *(pytest.param(body, id=name) for name, body in REFUSED.items()),
    ],
)
def test_the_gateway_refuses_invalid_documents_with_the_reason(signing: Signing, body: Any) -> None:
    response = api.call(signing.aws, "POST", "/documents", body)

    assert response.status == 400
    assert response.json["reason"].strip("[]")


@pytest.mark.parametrize(
    "longest",
    [
        pytest.param("x" * 128, id="128 characters"),
        pytest.param("a-_.:Z9", id="signs"),
    ],
)
def test_the_gateway_accepts_valid_document_ids(signing: Signing, longest: str) -> None:
    response = api.call(signing.aws, "POST", "/documents", {"documentId": longest})

    assert response.status == 200
    assert set(response.json) == {"executionArn", "startDate"}
    signing.aws.client("stepfunctions").stop_execution(executionArn=response.json["executionArn"])


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/documents"), ("GET", "/signatures?status=pending")]
)
@pytest.mark.check("api-unsigned")
def test_other_routes_require_signed_requests(signing: Signing, method: str, path: str) -> None:
    body = {"documentId": "3"} if method == "POST" else None

    assert api.call(signing.aws, method, path, body, credentials=None).status == 403


def test_the_list_is_paged_and_shows_neither_codes_nor_tokens(
    signing: Signing, document: str
) -> None:
    executions = [signing.start(document) for _ in range(3)]
    signing.link(document, count=3)

    pages, query = [], "status=pending&limit=1"
    while query:
        response = api.call(signing.aws, "GET", f"/signatures?{query}").json
        pages.append(response["requests"])
        token = response.get("nextToken")
        query = f"status=pending&limit=1&nextToken={quote(token)}" if token else ""

    assert all(len(page) <= 1 for page in pages)
    listed = [one for page in pages for one in page if one["documentId"] == document]
    assert len(listed) == 3
    assert set(listed[0]) == {
        *("requestId", "documentId", "signer", "status", "requestedAt", "expiresAt", "execution"),
    }
    for execution in executions:
        signing.aws.client("stepfunctions").stop_execution(executionArn=execution)


@pytest.mark.parametrize(
    "query", ["status=lost", "limit=0", "limit=101", "limit=x", "nextToken=x", "nextToken=e30%3D"]
)
def test_the_list_refuses_invalid_parameters(signing: Signing, query: str) -> None:
    response = api.call(signing.aws, "GET", f"/signatures?{query}")

    assert response.status == 400
    assert response.json["message"]
