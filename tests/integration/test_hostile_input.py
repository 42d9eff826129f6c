"""Hostile input: the response is below 500, or an error of ours says what is wrong.

For every route of the API and every function that is called by hand. A new one has no strategy
here, and the first tests fail.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.messages.message import Record
from handlers.messages.store import MessageStore
from handlers.observability import track_event
from handlers.shared.clients import client
from handlers.shared.errors import PermanentError, TransientError
from handlers.signature import request_document_signature, sign_document
from tests.integration.observability import conftest as event_log
from tests.integration.signature.conftest import TABLE, World, world
from tests.integration.signature.test_requests import ONE, asking
from tests.support import entrances
from tests.support.aws_clients import aws_client
from tests.support.strict_aws import be_strict
from tests.unit.fakes import FakeContext
from tests.unit.fixtures import context, fresh_clients

__all__ = ["context", "fresh_clients", "world"]

pytestmark = pytest.mark.slow

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:stepworks-test-images:one"
JOB = "stepworks-test-cookies:one"
NESTED = "[" * 20_000

# -- Hostile input -------------------------------------------------------------------------

AWKWARD = [
    *("", " ", "\0", "\n", "null", "true", "-1", "0", "1.5", "1e309", "²", "٣", "NaN"),
    *("%", "%ff", "%ED%A0%80", "%00", "..", "../x", "\u202e", "\ud800", "🙂", "a\r\nb"),
    *("9" * 5000, "1" + "0" * 400, "x" * 3000, "é" * 1500, NESTED, '{"a":' * 20_000),
]
AWKWARD_VALUES = [
    *AWKWARD,
    None,
    True,
    1.5,
    -1,
    10**400,
    float("1e308"),
    [],
    ["sign"],
    {},
    {"S": 1},
]
texts = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(), max_size=80))
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has some of these fields, now and then others."""
    known = st.fixed_dictionaries({}, optional=fields)
    return known | st.builds(lambda a, b: a | b, st.dictionaries(texts, values, max_size=2), known)


bodies = st.one_of(
    texts,
    values.map(as_json),
    objects(message=values).map(as_json),
    st.sampled_from([f'{{"message":{{"a":{value}}}}}' for value in (NESTED, "1" + "0" * 400)]),
)
FORM = "application/x-www-form-urlencoded"


def request(
    path: dict[str, st.SearchStrategy[str]] | None = None,
    query: dict[str, st.SearchStrategy[str]] | None = None,
    body: st.SearchStrategy[str] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """A request as API Gateway hands it on (Lambda proxy integration): texts, or nothing."""
    plain = st.fixed_dictionaries(
        {
            "pathParameters": st.fixed_dictionaries(path) if path else st.none(),
            "queryStringParameters": st.none()
            | st.builds(
                lambda a, b: a | b or None,
                st.dictionaries(texts, texts, max_size=2),
                st.fixed_dictionaries({}, optional=query or {}),
            ),
            "headers": st.none()
            | st.dictionaries(texts, texts, max_size=2)
            | st.fixed_dictionaries(
                {"Content-Type": st.sampled_from([FORM, "text/plain"]) | texts}
            ),
            "body": st.none() | (body if body is not None else texts),
            "requestContext": st.just({"requestId": "r"}),
        }
    )
    return st.builds(_in_base64, plain, st.booleans())


def _in_base64(event: dict[str, Any], encoded: bool) -> dict[str, Any]:
    body = event["body"]
    if encoded and body is not None:
        body = base64.b64encode(body.encode(errors="surrogatepass")).decode()
    return event | {"body": body, "isBase64Encoded": encoded}


def base64s(content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return content.map(
        lambda text: base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode()
    )


ids = st.just(ONE) | texts | texts.map(quote_all := lambda text: quote(text, errors="replace"))
arns = st.one_of(
    *(st.just(EXECUTION), texts, texts.map(quote_all), texts.map(lambda text: EXECUTION + text)),
    st.just(quote(EXECUTION, safe="")),
)
numbers = st.just("1700000000.123") | texts | st.integers().map(str)
keys = objects(
    requestId=objects(S=ids) | values,
    status=objects(S=st.just("PENDING") | texts) | values,
    requestedAt=objects(N=numbers) | values,
)
codes = st.just("the code") | texts
decisions = st.sampled_from(["sign", "decline"]) | texts
forms = st.builds(
    lambda fields: urlencode(fields, errors="replace"),
    st.fixed_dictionaries({}, optional={"decision": decisions, "reason": texts}),
)
page_of = {"path": {"requestId": ids}, "query": {"code": codes}}

jobs = st.one_of(
    *(st.just(JOB), texts, texts.map(quote_all), texts.map(lambda text: f"{JOB}{text}")),
    st.just(quote(JOB, safe="")),
)
moments = st.just("2026-01-31T12:00:00.000Z#e1") | texts
limits = st.integers(0, 101).map(str) | texts

ROUTES: dict[str, st.SearchStrategy[Any]] = {
    "GET jobs": request(
        query={
            "workflow": st.just("cookies") | texts,
            "status": st.sampled_from(["running", "NO_EXECUTION"]) | texts,
            "before": st.datetimes().map(lambda time: time.isoformat() + "Z") | texts,
            "limit": limits,
            "nextToken": base64s(moments) | texts,
        }
    ),
    "GET jobs/{id}": request(
        path={"id": jobs}, query={"limit": limits, "nextToken": base64s(texts) | texts}
    ),
    "POST messages": request(body=bodies),
    "GET messages/{messageId}": request(path={"messageId": st.just("e1") | ids}),
    "GET executions/{executionArn}": request(path={"executionArn": arns}),
    "GET signatures": request(
        query={
            "status": st.sampled_from(["pending", "SIGNED"]) | texts,
            "limit": st.integers(0, 101).map(str) | texts,
            "nextToken": base64s(keys.map(as_json) | texts) | texts,
        }
    ),
    "GET signatures/{requestId}": request(**page_of),
    "POST signatures/{requestId}": request(**page_of, body=forms | texts),
    # These two start a machine: what the gateway's schema lets through, and whatever else an
    # execution is started with by hand.
    "POST documents": objects(documentId=values) | values,
    "POST downloads": values
    | objects(
        baseUrl=st.just("https://x.example") | values,
        resourcePaths=st.lists(st.just("a.png") | values, max_size=3) | values,
        lambdaConcur=st.integers(0, 70) | values,
    ),
}
VALID_ROUTES: dict[str, Any] = {
    "GET jobs": {
        "queryStringParameters": {
            "workflow": "cookies",
            "status": "running",
            "before": "2026-02-01T00:00:00Z",
            "limit": "5",
            "nextToken": base64.urlsafe_b64encode(b"2026-01-31T12:00:00.000Z#e1").decode(),
        }
    },
    "GET jobs/{id}": {
        "pathParameters": {"id": JOB},
        "queryStringParameters": {
            "limit": "5",
            "nextToken": base64.urlsafe_b64encode(b"one-RUNNING-0").decode(),
        },
    },
    "POST messages": {"body": '{"message":{"a":1}}'},
    "GET messages/{messageId}": {"pathParameters": {"messageId": "e1"}},
    "GET executions/{executionArn}": {"pathParameters": {"executionArn": EXECUTION}},
    "GET signatures": {
        "queryStringParameters": {"status": "pending", "limit": "5", "nextToken": "e30="}
    },
    "GET signatures/{requestId}": {
        "pathParameters": {"requestId": ONE},
        "queryStringParameters": {"code": "the code"},
    },
    "POST signatures/{requestId}": {
        "pathParameters": {"requestId": ONE},
        "queryStringParameters": {"code": "the code"},
        "headers": {"Content-Type": FORM},
        "body": "decision=decline&reason=none",
    },
    "POST documents": {"documentId": 3},
    "POST downloads": {
        "baseUrl": "https://x.example",
        "resourcePaths": ["a.png"],
        "lambdaConcur": 5,
    },
}
# What a machine makes of its input for its first function.
MACHINES: dict[str, Any] = {
    "POST documents": lambda body: {
        "execution": EXECUTION,
        "signer": "Alice",
        "documentId": body.get("documentId") if isinstance(body, dict) else body,
    },
    "POST downloads": lambda body: {"execution": EXECUTION, "request": body},
}
BY_HAND: dict[str, st.SearchStrategy[Any]] = {
    "completeSignatureRequest": values
    | objects(
        requestId=ids | values,
        documentId=st.just(3) | values,
        decision=decisions | values,
        reason=texts | values,
    ),
}
VALID_BY_HAND: dict[str, Any] = {
    "completeSignatureRequest": {
        "requestId": ONE,
        "documentId": 3,
        "decision": "decline",
        "reason": "none",
    },
}
# Input that once led to a 502 or to an error without a name.
KNOWN: dict[str, list[Any]] = {
    "GET signatures": [
        {"queryStringParameters": {"limit": "9" * 5000}},
        {"queryStringParameters": {"nextToken": base64.b64encode(NESTED.encode()).decode()}},
    ],
    "GET messages/{messageId}": [{"pathParameters": {"messageId": "x" * 3000}}],
    "POST signatures/{requestId}": [
        {
            "pathParameters": {"requestId": ONE},
            "queryStringParameters": {"code": "the code"},
            "headers": {"content-type": FORM},
            "body": urlencode({"decision": "decline", "reason": text}, errors="replace"),
        }
        for text in AWKWARD
    ],
    "completeSignatureRequest": [
        {"documentId": 3, "decision": ["sign"]},
        {"requestId": "x" * 3000},
        [],
    ],
}


# -- The service under attack ------------------------------------------------------------------


class Service:
    """A message that is recorded, a signature that is requested; the same before each attack."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requested = world.item(ONE)
        self._code = world.code()

    def reset(self) -> None:
        self._world.dynamodb.put_item(TableName=TABLE, Item=self._requested)
        self._world.machine.waiting.add("token")

    def with_code(self, event: Any) -> Any:
        """The event as Bob's browser sends it, where it has "the code"."""
        query = event.get("queryStringParameters")
        if query and query.get("code") == "the code":
            query = {**query, "code": self._code}
        return {**event, "queryStringParameters": query and dict(query)}


@pytest.fixture
def service(world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> Service:
    for name, value in {
        "MESSAGES_TABLE": "messages",
        "BUS_NAME": "messages",
        "RUNS_BUCKET": "runs",
        "BATCH_SIZE": "5",
        "STAGE": "test",
        "EVENT_LOG_TABLE": event_log.TABLE,
        "EVENT_LOG_DAYS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sign_document, "SIGNING_SECONDS", 0)
    world.dynamodb.create_table(
        TableName="messages",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "messageId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "messageId", "KeyType": "HASH"}],
    )
    aws_client("s3").create_bucket(Bucket="runs")
    aws_client("events").create_event_bus(Name="messages")
    MessageStore(client("dynamodb"), "messages").record(Record("e1", 1, {"a": 1}))
    event_log.create_table()
    track_event._token_key.cache_clear()
    track_event.handler(
        {"Records": [event_log.message(event_log.status_change("RUNNING"))]}, context
    )
    request_document_signature.handler(asking(), context)
    for name in ("dynamodb", "stepfunctions", "events"):
        be_strict(client(name))
    return Service(world)


def call(function: str, event: Any, context: FakeContext) -> Any:
    """A function's result, or None if it raises an error of ours; the error must explain itself."""
    try:
        response = entrances.handler(function)(event, context)
    except (PermanentError, TransientError) as error:
        check_explanation(str(error))
        return None
    # As Lambda's runtime writes it: what is no UTF-8 becomes an error without a name.
    json.dumps(response, ensure_ascii=False).encode()
    return response


def check_explanation(text: str) -> None:
    assert 10 < len(text) < 1000
    assert " " in text
    assert "Traceback" not in text
    assert text.isprintable(), "an error's text is one line"
    text.encode()


def check_response(response: dict[str, Any]) -> None:
    assert 200 <= response["statusCode"] < 500
    assert all(isinstance(value, str) for value in response["headers"].values())
    if response["statusCode"] >= 400 and "json" in response["headers"]["Content-Type"]:
        check_explanation(json.loads(response["body"])["message"])


FUZZ = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_every_route_is_attacked_here() -> None:
    assert set(ROUTES) == set(entrances.routes())


def test_every_function_called_by_hand_is_attacked_here() -> None:
    assert set(BY_HAND) == entrances.called_by_hand()


@pytest.mark.parametrize("route", ROUTES)
def test_no_request_gets_a_server_error(service: Service, context: FakeContext, route: str) -> None:
    function, machine = entrances.routes()[route], MACHINES.get(route)

    def attack(value: Any) -> None:
        service.reset()
        if machine:
            call(function, machine(value), context)
            return
        response = call(function, service.with_code(value), context)
        assert response is not None, "an error of a function behind the API is a 502"
        check_response(response)

    valid, awkward = VALID_ROUTES[route], AWKWARD_VALUES if machine else AWKWARD
    _attack_with(attack, [*KNOWN.get(route, []), *_each_part(valid, awkward)], ROUTES[route])


@pytest.mark.parametrize("function", BY_HAND)
def test_no_call_by_hand_ends_with_an_error_without_a_name(
    service: Service, context: FakeContext, function: str
) -> None:
    def attack(event: Any) -> None:
        service.reset()
        call(function, event, context)

    events = _each_part(VALID_BY_HAND[function], AWKWARD_VALUES)
    _attack_with(attack, [*KNOWN.get(function, []), *events], BY_HAND[function])


@pytest.mark.parametrize("route", [route for route in VALID_ROUTES if route not in MACHINES])
def test_the_valid_input_is_accepted(service: Service, context: FakeContext, route: str) -> None:
    """Otherwise nothing behind the first check would be attacked."""
    service.reset()
    event = service.with_code(VALID_ROUTES[route])
    if route == "GET signatures":
        event["queryStringParameters"].pop("nextToken")  # no list has given it
    # moto has no execution of this name; the route's own tests have one.
    expected = 404 if route == "GET executions/{executionArn}" else 200

    assert call(entrances.routes()[route], event, context)["statusCode"] in (expected, 202)


def _each_part(valid: Any, awkward: list[Any]) -> Iterator[Any]:
    """The valid event, and with each of its values replaced by each awkward one."""
    yield valid
    if isinstance(valid, dict):
        for name, part in valid.items():
            for other in _each_part(part, awkward):
                yield valid | {name: other}
    elif isinstance(valid, list):
        yield from ([other] for part in valid for other in _each_part(part, awkward))
    else:
        yield from awkward


def _attack_with(attack: Any, events: list[Any], strategy: st.SearchStrategy[Any]) -> None:
    problems = []
    for event in events:
        try:
            attack(event)
        except Exception as error:  # all of them, so that one run shows every weak place
            problems.append(f"{event!r:.300}: {error!r:.300}")
    assert not problems, "\n".join(problems)
    FUZZ(given(strategy)(attack))()
