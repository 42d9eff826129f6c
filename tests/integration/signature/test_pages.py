"""The functions behind the signer's page and the list, called as API Gateway calls them."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from handlers.shared.clock import iso
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.task_tokens import Failure
from handlers.signature import (
    cancel_signature_request,
    decide_signature_request,
    decision,
    list_signature_requests,
    request_document_signature,
    show_signature_request,
)
from handlers.signature.request import Status
from handlers.signature.store import RequestStore
from tests.unit.fakes import FakeContext

from .conftest import World
from .test_requests import ONE, TWO, asking

DECLINED = "SignatureDeclinedError"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def event(code: str | None, request_id: str = ONE, **fields: str) -> dict[str, Any]:
    return {
        "pathParameters": {"requestId": request_id},
        "queryStringParameters": {"code": code} if code is not None else None,
        "requestContext": {"requestId": "r"},
        "headers": {"content-type": FORM} if fields else {},
        "body": urlencode(fields) if fields else None,
        "isBase64Encoded": False,
    }


@pytest.fixture
def ask(world: World, context: FakeContext) -> Any:
    def run(request_id: str = ONE, **changes: Any) -> None:
        world.machine.waiting.add(f"token of {request_id}")
        request_document_signature.handler(
            asking(request_id, f"token of {request_id}", **changes), context
        )

    return run


@pytest.fixture
def show(context: FakeContext) -> Any:
    return lambda *args: show_signature_request.handler(event(*args), context)


@pytest.fixture
def decide(context: FakeContext) -> Any:
    return lambda code, **fields: decide_signature_request.handler(event(code, **fields), context)


# -- The page -------------------------------------------------------------------------------------


def test_the_page_says_what_is_asked_by_whom_and_until_when(
    world: World, ask: Any, show: Any
) -> None:
    ask(enteredAt="2100-01-31T12:00:00.000Z", timeoutSeconds=60)

    shown = show(world.code())

    assert shown["statusCode"] == 200
    for said in ("document 3", "Bob", "owner@example.com", "Sunday, 31 January 2100, 12:01 UTC"):
        assert said in shown["body"]
    assert world.code() not in shown["body"]


def test_looking_at_the_page_changes_nothing(world: World, ask: Any, show: Any) -> None:
    ask()
    before = world.item(ONE)

    show(world.code())

    assert world.item(ONE) == before
    assert world.machine.told == []


@pytest.mark.parametrize(
    "way", ["wrong code", "no code", "unknown", "expired", "over", "not an id"]
)
@pytest.mark.parametrize("method", ["show", "decide"])
def test_nothing_tells_a_wrong_code_from_an_unknown_or_expired_request(
    world: World, ask: Any, show: Any, decide: Any, way: str, method: str
) -> None:
    changes = {"enteredAt": iso(time.time() - 60), "timeoutSeconds": 59} if way == "over" else {}
    ask(**changes)
    if way == "expired":
        world.store.finalize(ONE, Status.EXPIRED, time.time())
    code, request_id = {
        "wrong code": (f"{world.code()}x", ONE),
        "no code": (None, ONE),
        "unknown": (world.code(), TWO),
        "expired": (world.code(), ONE),
        "over": (world.code(), ONE),
        "not an id": (world.code(), "../" + ONE),
    }[way]

    if method == "show":
        answer = show(code, request_id)
    else:
        answer = decide(code, request_id=request_id, decision="sign")

    assert answer["statusCode"] == 404
    assert answer["body"] == show("x", "nothing")["body"]
    assert world.machine.told == []


@pytest.mark.parametrize(
    ("choice", "said"),
    [("sign", "You signed document 3"), ("decline", "You declined to sign document 3")],
)
def test_a_button_decides_once(
    world: World, ask: Any, show: Any, decide: Any, choice: str, said: str
) -> None:
    ask()
    code = world.code()

    first = decide(code, decision=choice, reason=" <b>why not</b> ")
    second = decide(code, decision="sign")
    later = show(code)

    assert [answer["statusCode"] for answer in (first, second, later)] == [200, 200, 200]
    assert all(said in answer["body"] for answer in (first, second, later))
    assert "Thank you." in first["body"]
    assert "This was settled before." in second["body"]
    assert "<form" not in later["body"]
    assert ("&lt;b&gt;why not&lt;/b&gt;" in first["body"]) == (choice == "decline")
    assert len(world.machine.told) == 1


@pytest.mark.parametrize("fields", [{"decision": "perhaps"}, {"reason": "x"}], ids=str)
def test_a_form_without_a_decision_decides_nothing(
    world: World, ask: Any, decide: Any, fields: dict[str, str]
) -> None:
    ask()

    assert decide(world.code(), **fields)["statusCode"] == 400
    assert world.request(ONE).status is Status.PENDING


def test_a_cancelled_requests_link_says_so(
    world: World, ask: Any, show: Any, decide: Any, context: FakeContext
) -> None:
    ask()
    cancelling = asking() | {"reason": "Alice could not sign the document"}
    cancel_signature_request.handler(cancelling, context)

    for answer in (show(world.code()), decide(world.code(), decision="sign")):
        assert answer["statusCode"] == 200
        assert "Document 3 no longer needs your signature" in answer["body"]
        assert "Alice could not sign the document" in answer["body"]


def test_a_reason_is_cut_not_refused(world: World, ask: Any, decide: Any) -> None:
    ask()

    decide(world.code(), decision="decline", reason="x" * 600)

    assert world.request(ONE).reason == "x" * 499 + "…"


def test_a_reason_is_one_line_wherever_it_is_read(
    world: World, ask: Any, decide: Any, show: Any
) -> None:
    """A control character, a line break, and one that turns the direction of writing."""
    ask()

    decide(world.code(), decision="decline", reason="Page 2\r\nis\x07 \u202ewrong")

    assert world.request(ONE).reason == "Page 2 is wrong"
    assert "<dd>Page 2 is wrong</dd>" in show(world.code())["body"]
    assert world.machine.told == [(f"token of {ONE}", Failure(DECLINED, "Page 2 is wrong"))]


def test_a_decision_that_comes_too_late_is_told_so(
    world: World, ask: Any, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is over between showing the page and noting the decision."""
    ask()
    late = world.request(ONE).expires_at
    monkeypatch.setattr(decision, "now", lambda: late)

    assert decide(world.code(), decision="sign")["statusCode"] == 404
    assert world.request(ONE).status is Status.EXPIRED


@pytest.mark.parametrize("method", ["show", "decide"])
def test_when_aws_does_not_answer_the_signer_may_try_again(
    world: World,
    ask: Any,
    show: Any,
    decide: Any,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    ask()

    def unavailable(*_: Any) -> Any:
        raise AwsUnavailableError

    monkeypatch.setattr(RequestStore, "get", unavailable)
    answer = show(world.code()) if method == "show" else decide(world.code(), decision="sign")

    assert answer["statusCode"] == 503
    assert "try again" in answer["body"]


def test_answers_are_neither_kept_nor_framed_nor_scripted(
    world: World, ask: Any, show: Any, decide: Any
) -> None:
    ask()

    for answer in (show(world.code()), show("x"), decide(world.code(), decision="sign")):
        headers = answer["headers"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert directive in headers["Content-Security-Policy"]
        assert "<script" not in answer["body"]
        assert "style=" not in answer["body"]


# -- The list -------------------------------------------------------------------------------------


@pytest.fixture
def listing(context: FakeContext) -> Any:
    def run(**query: str) -> tuple[int, Any]:
        listed = {"queryStringParameters": query or None, "requestContext": {"requestId": "r"}}
        answer = list_signature_requests.handler(listed, context)
        return answer["statusCode"], json.loads(answer["body"])

    return run


def test_the_list_is_of_one_status_the_newest_first(world: World, ask: Any, listing: Any) -> None:
    ask(ONE, enteredAt=iso(time.time() - 60))
    ask(TWO)

    assert [one["requestId"] for one in listing()[1]["requests"]] == [TWO, ONE]
    assert listing(status="signed") == (200, {"requests": []})


def test_the_list_shows_no_token_and_no_hash(world: World, ask: Any, listing: Any) -> None:
    ask()

    status, body = listing(status="pending")

    assert status == 200
    assert set(body["requests"][0]) == {
        *("requestId", "documentId", "signer", "status"),
        *("requestedAt", "expiresAt", "execution"),
    }


def test_the_pages_of_the_list_have_all_requests_once(world: World, ask: Any, listing: Any) -> None:
    wanted = {f"00000000-0000-4000-8000-{number:012}" for number in range(5)}
    for number, request_id in enumerate(sorted(wanted)):
        ask(request_id, enteredAt=iso(time.time() - number))

    seen: list[str] = []
    query: dict[str, str] | None = {"limit": "2"}
    while query:
        _, body = listing(**query)
        seen += [one["requestId"] for one in body["requests"]]
        token = body.get("nextToken")
        query = {"limit": "2", "nextToken": token} if token else None

    assert len(seen) == 5
    assert set(seen) == wanted


def test_a_token_of_one_list_is_not_good_for_another(world: World, ask: Any, listing: Any) -> None:
    ask(ONE)
    ask(TWO)
    token = listing(limit="1")[1]["nextToken"]

    assert listing(status="signed", nextToken=token)[0] == 400


def test_the_list_may_be_unavailable(
    world: World, listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> Any:
        raise AwsUnavailableError

    monkeypatch.setattr(RequestStore, "with_status", unavailable)

    assert listing()[0] == 503
