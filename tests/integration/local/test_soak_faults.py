"""The faults of the soak, on an app of the test's own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.soak import faults
from tests.e2e.soak.faults import Faults, Kind

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
    return Faults(app, seed=1, seconds=10, log=log, clock=lambda: now[0])


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
