"""As many processes for a function as the machine has use for."""

import threading
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.gaps import lambda_workers
from local.gaps.lambda_workers import WORKERS, acquire_worker

CONFIG = {
    "FunctionName": "doThings",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:doThings",
    "Runtime": "python3.13",
}


class FakeWorker:
    """A process that is never started."""

    def __init__(self, *_: Any) -> None:
        self.in_use = False
        self.last_used = 0.0


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_runtime, "_worker_class_for", lambda _: FakeWorker)
    monkeypatch.setattr(lambda_runtime, "_workers", {})


def lease() -> Any:
    worker, _ = acquire_worker("doThings", CONFIG, b"")
    return worker


def test_a_call_waits_for_a_free_process() -> None:
    leased = [lease() for _ in range(WORKERS)]
    later: list[Any] = []
    waiting = threading.Thread(target=lambda: later.append(lease()))
    waiting.start()
    waiting.join(0.2)
    assert not later

    lambda_runtime.release_worker(leased[0])
    waiting.join(5)

    assert later == [leased[0]]
    assert len(set(map(id, leased))) == WORKERS


def test_a_call_from_within_a_function_never_waits() -> None:
    for _ in range(WORKERS):
        lease()
    token = lambda_svc._invoke_depth.set(1)

    try:
        assert lease() is not None
    finally:
        lambda_svc._invoke_depth.reset(token)


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_workers, "PATIENCE_SECONDS", 0.05)
    for _ in range(WORKERS):
        lease()

    assert lease() is not None


def test_upstream_still_starts_a_process_for_every_call() -> None:
    """When this fails, ministack keeps to a number by itself: lambda_workers.py can go."""
    workers = [
        lambda_workers._acquire_upstream("doThings", CONFIG, b"")[0] for _ in range(WORKERS + 1)
    ]

    assert len(set(map(id, workers))) == WORKERS + 1
