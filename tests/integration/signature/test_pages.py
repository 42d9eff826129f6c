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


def test_the_page_shows_document_signer_owner_and_deadline(
    world: World, ask: Any, show: Any
) -> None:
    ask(enteredAt="2100-01-31T12:00:00.000Z", timeoutSeconds=60)

    shown = show(world.code())

    assert shown["statusCode"] == 200
    for text in ("document 3", "Bob", "owner@example.com", "Sunday, 31 January 2100, 12:01 UTC"):
        assert text in shown["body"]
    assert world.code() not in shown["body"]


def test_opening_the_page_changes_nothing(world: World, ask: Any, show: Any) -> None:
    ask()
    before = world.item(ONE)

    show(world.code())

    assert world.item(ONE) == before
    assert world.machine.callbacks == []


@pytest.mark.parametrize(
    "case",
    ["wrong code", "no code", "unknown id", "expired", "after the deadline", "invalid id"],
)
@pytest.mark.parametrize("method", ["show", "decide"])
def test_wrong_codes_and_unknown_or_expired_requests_get_the_same_page(
    world: World, ask: Any, show: Any, decide: Any, case: str, method: str
) -> None:
    changes = (
        {"enteredAt": iso(time.time() - 60), "timeoutSeconds": 59}
        if case == "after the deadline"
        else {}
    )
    ask(**changes)
    if case == "expired":
        world.store.finalize(ONE, Status.EXPIRED, time.time())
    code, request_id = {
        "wrong code": (f"{world.code()}x", ONE),
        "no code": (None, ONE),
        "unknown id": (world.code(), TWO),
        "expired": (world.code(), ONE),
        "after the deadline": (world.code(), ONE),
        "invalid id": (world.code(), "../" + ONE),
    }[case]

    if method == "show":
        response = show(code, request_id)
    else:
        response = decide(code, request_id=request_id, decision="sign")

    assert response["statusCode"] == 404
    assert response["body"] == show("x", "nothing")["body"]
    assert world.machine.callbacks == []


@pytest.mark.parametrize(
    ("choice", "title"),
    [("sign", "You signed document 3"), ("decline", "You declined to sign document 3")],
)
def test_only_the_first_decision_counts(
    world: World, ask: Any, show: Any, decide: Any, choice: str, title: str
) -> None:
    ask()
    code = world.code()

    first = decide(code, decision=choice, reason=" <b>why not</b> ")
    second = decide(code, decision="sign")
    later = show(code)

    assert [response["statusCode"] for response in (first, second, later)] == [200, 200, 200]
    assert all(title in response["body"] for response in (first, second, later))
    assert "Thank you." in first["body"]
    assert "This request was already finished" in second["body"]
    assert "<form" not in later["body"]
    assert ("&lt;b&gt;why not&lt;/b&gt;" in first["body"]) == (choice == "decline")
    assert len(world.machine.callbacks) == 1


@pytest.mark.parametrize("fields", [{"decision": "maybe"}, {"reason": "x"}], ids=str)
def test_a_form_without_a_decision_decides_nothing(
    world: World, ask: Any, decide: Any, fields: dict[str, str]
) -> None:
    ask()

    assert decide(world.code(), **fields)["statusCode"] == 400
    assert world.request(ONE).status is Status.PENDING


def test_the_page_of_a_cancelled_request_gives_the_reason(
    world: World, ask: Any, show: Any, decide: Any, context: FakeContext
) -> None:
    ask()
    cancelling = asking() | {"reason": "Alice could not sign the document"}
    cancel_signature_request.handler(cancelling, context)

    for response in (show(world.code()), decide(world.code(), decision="sign")):
        assert response["statusCode"] == 200
        assert "Document 3 no longer needs your signature" in response["body"]
        assert "Alice could not sign the document" in response["body"]


def test_a_long_reason_is_shortened(world: World, ask: Any, decide: Any) -> None:
    ask()

    decide(world.code(), decision="decline", reason="x" * 600)

    assert world.request(ONE).reason == "x" * 499 + "…"


def test_a_reason_becomes_one_line(world: World, ask: Any, decide: Any, show: Any) -> None:
    """A control character, a line break, and one that turns the direction of writing."""
    ask()

    decide(world.code(), decision="decline", reason="Page 2\r\nis\x07 \u202ewrong")

    assert world.request(ONE).reason == "Page 2 is wrong"
    assert "<dd>Page 2 is wrong</dd>" in show(world.code())["body"]
    assert world.machine.callbacks == [(f"token of {ONE}", Failure(DECLINED, "Page 2 is wrong"))]


def test_a_decision_after_the_deadline_gets_a_404(
    world: World, ask: Any, decide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline passes between showing the page and storing the decision."""
    ask()
    late = world.request(ONE).expires_at
    monkeypatch.setattr(decision, "now", lambda: late)

    assert decide(world.code(), decision="sign")["statusCode"] == 404
    assert world.request(ONE).status is Status.EXPIRED


@pytest.mark.parametrize("method", ["show", "decide"])
def test_an_unavailable_table_shows_a_page_to_try_again(
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
    response = show(world.code()) if method == "show" else decide(world.code(), decision="sign")

    assert response["statusCode"] == 503
    assert "try again" in response["body"]


def test_pages_are_not_cached_framed_or_scripted(
    world: World, ask: Any, show: Any, decide: Any
) -> None:
    ask()

    for response in (show(world.code()), show("x"), decide(world.code(), decision="sign")):
        headers = response["headers"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert directive in headers["Content-Security-Policy"]
        assert "<script" not in response["body"]
        assert "style=" not in response["body"]


# -- The list -------------------------------------------------------------------------------------


@pytest.fixture
def listing(context: FakeContext) -> Any:
    def run(**query: str) -> tuple[int, Any]:
        listed = {"queryStringParameters": query or None, "requestContext": {"requestId": "r"}}
        response = list_signature_requests.handler(listed, context)
        return response["statusCode"], json.loads(response["body"])

    return run


def test_the_list_has_one_status_newest_first(world: World, ask: Any, listing: Any) -> None:
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
    expected = {f"00000000-0000-4000-8000-{number:012}" for number in range(5)}
    for number, request_id in enumerate(sorted(expected)):
        ask(request_id, enteredAt=iso(time.time() - number))

    listed_ids: list[str] = []
    query: dict[str, str] | None = {"limit": "2"}
    while query:
        _, body = listing(**query)
        listed_ids += [one["requestId"] for one in body["requests"]]
        token = body.get("nextToken")
        query = {"limit": "2", "nextToken": token} if token else None

    assert len(listed_ids) == 5
    assert set(listed_ids) == expected


def test_a_next_token_is_valid_for_its_own_status_only(
    world: World, ask: Any, listing: Any
) -> None:
    ask(ONE)
    ask(TWO)
    token = listing(limit="1")[1]["nextToken"]

    assert listing(status="signed", nextToken=token)[0] == 400


def test_an_unavailable_table_is_a_503(
    world: World, listing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> Any:
        raise AwsUnavailableError

    monkeypatch.setattr(RequestStore, "with_status", unavailable)

    assert listing()[0] == 503
