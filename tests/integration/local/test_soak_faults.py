"""The faults of the soak, on an app of the test's own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ministack.services import stepfunctions as sfn

from tests.e2e.soak import faults
from tests.e2e.soak.faults import MACHINE_ERRORS, Faults, Kind
from tests.support import asl

BODY = b'{"Item": {"a": {"S": "b"}}}'


class App:
    """Responds to each request, and counts them."""

    def __init__(self, body: bytes = BODY) -> None:
        self.body = body
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        length = str(len(self.body)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Machines:
    """What runs machines: it counts the calls that their tasks make."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _invoke_resource(self, resource: str, data: Any) -> str:
        self.calls.append(resource)
        return "result"

    def _invoke_with_callback(self, resource: str, data: Any, token: str, state: Any) -> str:
        self.calls.append(f"{resource} {token}")
        return "outcome"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "faults.jsonl"
    path.touch()
    return path


def with_faults(
    app: App, log: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, now: list[float]
) -> Faults:
    """Faults of one kind only."""
    monkeypatch.setattr(faults, "KINDS", [kind])
    return Faults(app, seed=1, seconds=10, log=log, clock=lambda: now[0], machines=Machines())


def request(
    app: Faults, key: str = "ASIAROLE", service: str = "dynamodb", method: str = "POST"
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    signature = f"AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request"
    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"authorization", signature.encode()),
            (b"x-amz-target", b"DynamoDB_20120810.GetItem"),
        ],
    }

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, None, send))  # type: ignore[arg-type]
    return sent


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    ports: list[int] = []
    monkeypatch.setattr(faults, "_kill", ports.append)
    return ports


@pytest.mark.parametrize(
    ("kind", "service", "status", "text"),
    [
        (Kind.THROTTLED, "dynamodb", 400, b"ThrottlingException"),
        (Kind.THROTTLED, "s3", 503, b"SlowDown"),
        (Kind.UNAVAILABLE, "dynamodb", 503, b"ServiceUnavailable"),
    ],
)
def test_a_refused_request_has_no_effect(
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    service: str,
    status: int,
    text: bytes,
) -> None:
    app = App()

    sent = request(with_faults(app, log, monkeypatch, kind, [0.0]), service=service)

    assert sent[0]["status"] == status
    assert text in sent[1]["body"]
    assert app.requests == 0


def test_a_lost_response_breaks_off_after_the_effect(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()

    sent = request(with_faults(app, log, monkeypatch, Kind.RESPONSE_LOST, [0.0]))

    assert app.requests == 1
    assert sent[1] == {
        "type": "http.response.body",
        "body": BODY[: len(BODY) // 2],
        "more_body": True,
    }


@pytest.mark.parametrize(("method", "body"), [("HEAD", BODY), ("PUT", b"")])
def test_a_lost_response_without_a_body_is_a_503_after_the_effect(
    log: Path, monkeypatch: pytest.MonkeyPatch, method: str, body: bytes
) -> None:
    app = App(body)

    sent = request(with_faults(app, log, monkeypatch, Kind.RESPONSE_LOST, [0.0]), method=method)

    assert (app.requests, sent[0]["status"]) == (1, 503)


@pytest.mark.parametrize(("kind", "effects"), [(Kind.KILLED_BEFORE, 0), (Kind.KILLED_AFTER, 1)])
def test_the_process_that_sent_a_request_is_killed(
    log: Path, monkeypatch: pytest.MonkeyPatch, killed: list[int], kind: Kind, effects: int
) -> None:
    app = App()

    sent = request(with_faults(app, log, monkeypatch, kind, [0.0]))

    assert (killed, app.requests, sent) == ([1], effects, [])


def test_there_is_a_fault_every_few_seconds(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    app = with_faults(App(), log, monkeypatch, Kind.UNAVAILABLE, now)

    for second in range(100):
        now[0] = float(second)
        request(app)

    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert 7 <= len(found) <= 20
    assert found[0] == {
        "kind": "unavailable",
        "service": "dynamodb",
        "operation": "DynamoDB_20120810.GetItem",
    }


@pytest.mark.parametrize("key", ["test", ""])
def test_other_clients_meet_no_fault(log: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    app = with_faults(App(), log, monkeypatch, Kind.UNAVAILABLE, [0.0])

    assert request(app, key=key)[0]["status"] == 200


def test_without_the_file_there_are_no_faults(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = with_faults(App(), log, monkeypatch, Kind.UNAVAILABLE, [0.0])
    log.unlink()

    assert request(app)[0]["status"] == 200


# -- Machines --------------------------------------------------------------------------------------

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:any"
QUEUE = "arn:aws:states:::sqs:sendMessage"


def machines_with_faults(log: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> Any:
    """Machines of which one call meets a fault of this kind."""
    machines = Machines()
    monkeypatch.setattr("random.Random.choice", lambda _, kinds: kind)
    Faults(App(), seed=1, seconds=10, log=log, clock=lambda: 0.0, machines=machines)
    return machines


@pytest.mark.parametrize(
    ("resource", "kind", "error", "effects"),
    [
        (FUNCTION, Kind.THROTTLED, "Lambda.TooManyRequestsException", 0),
        (FUNCTION, Kind.RESPONSE_LOST, "Lambda.SdkClientException", 1),
        (QUEUE, Kind.UNAVAILABLE, "SQS.AmazonSQSException", 0),
        ("arn:aws:states:::sns:publish", Kind.THROTTLED, "SNS.ThrottledException", 0),
        ("arn:aws:states:::dynamodb:getItem", Kind.RESPONSE_LOST, "DynamoDB.SdkClientException", 1),
        ("arn:aws:states:::aws-sdk:sfn:startExecution", Kind.UNAVAILABLE, "Sfn.SfnException", 0),
    ],
)
def test_a_call_of_a_machine_fails_as_on_aws(
    log: Path, monkeypatch: pytest.MonkeyPatch, resource: str, kind: Kind, error: str, effects: int
) -> None:
    machines = machines_with_faults(log, monkeypatch, kind)

    with pytest.raises(sfn._ExecutionError) as raised:
        machines._invoke_resource(resource, {})

    assert raised.value.error == error
    assert len(machines.calls) == effects
    assert machines._invoke_resource(resource, {}) == "result"  # the next fault comes later
    assert json.loads(log.read_text()) == {
        "kind": kind,
        "service": "a machine",
        "operation": resource,
    }


def test_a_call_with_a_task_token_fails_before_it_waits(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = machines_with_faults(log, monkeypatch, Kind.THROTTLED)
    resource = "arn:aws:states:::events:putEvents.waitForTaskToken"

    with pytest.raises(sfn._ExecutionError, match="EventBridge"):
        machines._invoke_with_callback(resource, {}, "token", {})

    assert machines.calls == []
    assert machines._invoke_with_callback(resource, {}, "token", {}) == "outcome"


def test_what_a_machine_calls_beside_these_meets_no_fault(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = machines_with_faults(log, monkeypatch, Kind.THROTTLED)

    assert machines._invoke_resource("arn:aws:states:::s3:getObject", {}) == "result"


@pytest.mark.parametrize("service", MACHINE_ERRORS)
def test_machines_know_the_errors_and_retry_them(service: str) -> None:
    known = yaml.safe_load((asl.DEFINITIONS / "error-names.yml").read_text())
    transient = {name for one in known.values() for name in one.get("transient", {})}

    assert set(MACHINE_ERRORS[service].values()) <= transient
