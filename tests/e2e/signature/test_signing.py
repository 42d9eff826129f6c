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

SIGNED_PATH = {
    *("Alice Signature", "Alice Signed"),
    *("Bob Signature", "Bob Signed", "Settle Signature Request"),
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


def test_both_sign_and_the_document_has_two_signatures(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    answer = signing.decide(link, "sign")

    assert (answer.status, f"You signed document {document}" in answer.text) == (200, True)
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
    assert not signing.aws.mails(f"Document {document} was")  # nothing to tell the owner


def test_a_whole_number_is_a_document_too(signing: Signing) -> None:
    number = random.randrange(10**9, 10**10)
    execution = signing.start(number)

    signing.decide(signing.link(str(number)), "sign")

    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["documentId"] == str(number)
    assert [one["documentId"] for one in output(ended)["signatures"]] == [str(number)] * 2


def test_bob_may_be_faster_than_alice(signing: Signing, document: str) -> None:
    """His function answers at once here, hers takes a second."""
    execution = signing.start(document)
    until("Bob's mail", lambda: signing.links(document))

    signing.aws.invoke("completeSignatureRequest", {"documentId": document})

    assert signing.aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_an_execution_is_also_started_without_the_api(signing: Signing, document: str) -> None:
    execution = signing.start_on(signing.machine, document)

    signing.decide(signing.link(document), "sign")

    assert output(signing.aws.wait_for_end(execution))["documentId"] == document


@pytest.mark.parametrize(
    "given",
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
    ids=lambda given: repr(given)[:40],
)
def test_what_is_no_document_is_refused_by_name_and_nobody_is_asked(
    signing: Signing, given: dict[str, Any]
) -> None:
    execution = signing.aws.client("stepfunctions").start_execution(
        stateMachineArn=signing.machine, input=json.dumps(given)
    )["executionArn"]

    ended = signing.aws.wait_for_end(execution)

    assert (ended["status"], ended["error"]) == ("FAILED", "InvalidDocumentIdError")
    assert "a whole number or a string of 1 to 128 letters" in ended["cause"]
    assert len(ended["cause"]) < 200


# -- Not signed -----------------------------------------------------------------------------------


def test_bob_declines_and_the_owner_reads_why(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    reason = 'The price is "wrong" & <b>too high</b>'

    answer = signing.decide(signing.link(document), "decline", reason)

    assert "You declined to sign" in answer.text
    ended = signing.aws.wait_for_end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "SignatureDeclinedError")
    assert reason in ended["cause"]
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
        assert "Bob did not answer in time" in ended["cause"]
        assert [one["requestId"] for one in signing.listed("expired", document)] == [
            request_id(link)
        ]
        assert signing.open(link).status == 404
        assert signing.decide(link, "sign").status == 404
        late = signing.aws.invoke("completeSignatureRequest", {"documentId": document})
        assert (late["outcome"], late["status"]) == ("TOO_LATE", "EXPIRED")
        (mail,) = signing.aws.mails(f"Document {document} was not signed")
        assert "Bob did not answer in time" in mail["BodyText"]


@pytest.fixture
def alice_is_broken(signing: Signing) -> Any:
    """A copy of the machine in which Alice's function is another one, which fails at once."""
    states = signing.aws.client("stepfunctions")
    broken = signing.aws.client("lambda").get_function_configuration(
        FunctionName=signing.aws.function_name("settleSignatureRequest")
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
    signing: Signing, document: str, alice_is_broken: str
) -> None:
    started = time.monotonic()
    execution = signing.start_on(alice_is_broken, document)

    ended = signing.aws.wait_for_end(execution)

    assert time.monotonic() - started < 60  # not the 300 s that Bob would have had
    assert (ended["status"], ended["error"]) == ("FAILED", "SignaturesNotCollectedError")
    assert "Alice could not sign" in ended["cause"]
    (cancelled,) = signing.listed("cancelled", document)
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
        answers = list(
            pool.map(lambda one: signing.decide(links[one], decisions[one], one), documents)
        )

    assert {answer.status for answer in answers} == {200}
    for one in documents:
        ended = signing.aws.wait_for_end(executions[one])
        if decisions[one] == "sign":
            assert output(ended)["signatures"][1]["signature"] == f"Bob signed {one}"
        else:
            assert ended["error"] == "SignatureDeclinedError"
            assert f"({one})" in ended["cause"]


def test_two_executions_for_one_document_have_a_request_each(
    signing: Signing, document: str
) -> None:
    first, second = signing.start(document), signing.start(document)
    signing.link(document, count=2)
    one, other = signing.links(document)
    assert request_id(one) != request_id(other)

    answer = signing.aws.invoke("completeSignatureRequest", {"documentId": document})

    assert answer["outcome"] == "SEVERAL_PENDING"
    assert set(answer["requestIds"]) == {request_id(one), request_id(other)}
    assert len(signing.listed("pending", document)) == 2
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
        answers = list(pool.map(lambda _: signing.decide(link, "sign"), range(4)))

    assert {answer.status for answer in answers} == {200}
    assert all(f"You signed document {document}" in answer.text for answer in answers)
    assert len([answer for answer in answers if "Thank you" in answer.text]) == 1
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
    """Whoever decides in the last moment is told what really came of it."""
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
            answers = dict(pool.map(decide_at_deadline, range(6)))

        for one, status in answers.items():
            ended = signing.aws.wait_for_end(executions[one])["status"]
            settled = until(
                "the request to be settled",
                lambda one=one: (
                    item(signing, request_id(links[one])).get("settled")
                    and item(signing, request_id(links[one]))
                ),
            )
            in_time = (ended, settled["status"]["S"]) == ("SUCCEEDED", "SIGNED")
            too_late = (ended, settled["status"]["S"]) == ("FAILED", "EXPIRED")
            # 202: noted in time, and the machine found it when its own time was over.
            assert (status in (200, 202) and in_time) or (status == 404 and too_late)


# -- Completing by hand ---------------------------------------------------------------------------


def test_a_second_call_says_that_the_request_is_finished(signing: Signing, document: str) -> None:
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


def test_a_crash_between_noting_and_telling_is_repaired_by_calling_again(
    signing: Signing, document: str
) -> None:
    execution = signing.start(document)
    link = signing.link(document)
    # What a function leaves behind that dies after its conditional update.
    signing.aws.client("dynamodb").update_item(
        TableName=signing.aws.outputs["SignatureRequestsTable"],
        Key={"requestId": {"S": request_id(link)}},
        UpdateExpression="SET #status = :signed, finishedAt = :now",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":signed": {"S": "SIGNED"}, ":now": {"N": "1767182400"}},
    )

    answer = signing.aws.invoke(
        "completeSignatureRequest", {"documentId": document, "decision": "decline"}
    )

    assert (answer["outcome"], answer["status"]) == ("ALREADY_FINISHED", "SIGNED")
    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["signatures"][1]["signedAt"] == "2025-12-31T12:00:00Z"


def test_a_decision_that_was_not_delivered_is_delivered_by_the_service(
    signing: Signing, document: str
) -> None:
    """The page says so meanwhile; the schedule's own target is called, as it would in minutes."""
    execution = signing.start(document)
    link = signing.link(document)
    leave_undelivered(signing, link)

    page = signing.open(link)
    assert (page.status, "is noted, but not delivered yet" in page.text) == (200, True)
    assert "Send it again" in page.text
    assert signing.aws.invoke("deliverDecisions", {})["delivered"] >= 1

    ended = signing.aws.wait_for_end(execution)
    assert output(ended)["signatures"][1]["signedAt"] == "2025-12-31T12:00:00Z"
    assert f"You signed document {document}" in signing.open(link).text


def test_the_schedule_calls_what_delivers_decisions(signing: Signing) -> None:
    schedules = signing.aws.client("scheduler").list_schedules(GroupName="default")["Schedules"]

    targets = {one["Target"]["Arn"].rpartition(":")[2] for one in schedules}
    assert signing.aws.function_name("deliverDecisions") in targets


def test_a_decision_of_before_the_deadline_counts_though_the_machine_never_heard_it(
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
    """What a function leaves behind that noted a signature and did not reach Step Functions."""
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


def test_the_request_of_a_stopped_execution_is_withdrawn(signing: Signing, document: str) -> None:
    execution = signing.start(document)
    link = signing.link(document)

    signing.aws.client("stepfunctions").stop_execution(executionArn=execution)

    until("the request to be withdrawn", lambda: signing.listed("cancelled", document))
    for answer in (signing.open(link), signing.decide(link, "sign")):
        assert f"Document {document} no longer needs your signature" in answer.text
        assert "was stopped" in answer.text
    assert signing.aws.invoke("remindSigner", {"requestId": request_id(link)}) == {
        "reminded": False
    }
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
    "a line break": {"documentId": "3\n"},
    "a header": {"documentId": "3\r\nBcc: eve@example.com"},
    "empty": {"documentId": ""},
    "too long": {"documentId": "x" * 129},
    "a fraction": {"documentId": 3.5},
    "a list": {"documentId": ["3"]},
    "true": {"documentId": True},
    "a script": {"documentId": "<script>"},
    "not JSON": "documentId=3",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_the_gateway_refuses_what_is_no_document_and_says_why(signing: Signing, body: Any) -> None:
    answer = api.call(signing.aws, "POST", "/documents", body)

    assert answer.status == 400
    assert answer.json["reason"].strip("[]")


@pytest.mark.parametrize("longest", ["x" * 128, "a-_.:Z9"], ids=["128 characters", "signs"])
def test_the_gateway_takes_every_document_id_there_is(signing: Signing, longest: str) -> None:
    answer = api.call(signing.aws, "POST", "/documents", {"documentId": longest})

    assert answer.status == 200
    assert set(answer.json) == {"executionArn", "startDate"}
    signing.aws.client("stepfunctions").stop_execution(executionArn=answer.json["executionArn"])


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/documents"), ("GET", "/signatures?status=pending")]
)
def test_only_signed_requests_reach_what_is_not_bobs(
    signing: Signing, method: str, path: str
) -> None:
    body = {"documentId": "3"} if method == "POST" else None

    assert api.call(signing.aws, method, path, body, credentials=None).status == 403


def test_the_list_is_paged_and_shows_neither_codes_nor_tokens(
    signing: Signing, document: str
) -> None:
    executions = [signing.start(document) for _ in range(3)]
    signing.link(document, count=3)

    pages, query = [], "status=pending&limit=1"
    while query:
        answer = api.call(signing.aws, "GET", f"/signatures?{query}").json
        pages.append(answer["requests"])
        token = answer.get("nextToken")
        query = f"status=pending&limit=1&nextToken={quote(token)}" if token else ""

    assert all(len(page) <= 1 for page in pages)
    ours = [one for page in pages for one in page if one["documentId"] == document]
    assert len(ours) == 3
    assert set(ours[0]) == {
        *("requestId", "documentId", "signer", "status", "requestedAt", "expiresAt", "execution"),
    }
    for execution in executions:
        signing.aws.client("stepfunctions").stop_execution(executionArn=execution)


@pytest.mark.parametrize(
    "query", ["status=lost", "limit=0", "limit=101", "limit=x", "nextToken=x", "nextToken=e30%3D"]
)
def test_the_list_refuses_what_it_does_not_understand(signing: Signing, query: str) -> None:
    answer = api.call(signing.aws, "GET", f"/signatures?{query}")

    assert answer.status == 400
    assert answer.json["message"]
