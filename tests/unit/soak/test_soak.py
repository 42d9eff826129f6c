"""Ctrl-C ends the soak at once, although items are on their way, and there is no report."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.settings import Settings
from tests.e2e.soak import __main__ as soak
from tests.e2e.soak.faults import MACHINE
from tests.support import generated


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Settings]]:
    """A soak whose items wait until the test ends, and the servers that it has stopped."""
    ended, stopped = threading.Event(), list[Settings]()

    def item(*_: Any) -> str:
        ended.wait()
        raise AssertionError("the server is gone")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    @contextmanager
    def nothing(*_: Any) -> Iterator[Any]:
        yield {}

    for name in ("World", "Expiry", "failures", "sampled"):
        monkeypatch.setattr(soak, name, nothing)
    monkeypatch.setattr(Settings, "directory", tmp_path)
    monkeypatch.setattr(soak.process, "start", lambda *_: None)
    monkeypatch.setattr(soak.process, "stop", stopped.append)
    monkeypatch.setattr(soak.deploy, "deploy", lambda _: None)
    monkeypatch.setattr(soak, "Aws", lambda _: None)
    monkeypatch.setattr(soak, "WORKFLOWS", {"sensor": item})
    monkeypatch.setattr(soak.time, "sleep", interrupted)
    monkeypatch.setattr("sys.argv", ["soak", "--minutes", "1", "--seed", "1"])
    yield stopped
    ended.set()


def test_ctrl_c_stops_the_server_and_writes_no_report(
    stopped: list[Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generated, "replace", lambda *_: pytest.fail("a report was written"))
    began = time.monotonic()

    assert soak.main() == 130

    assert time.monotonic() - began < 5
    assert len(stopped) == 1
    assert "no report" in capsys.readouterr().out


def test_what_happens_to_items_after_ctrl_c_is_no_violation() -> None:
    result = soak.Result(is_over=True)

    result.add_problem("the server is gone")

    assert result.problems == []


def test_the_report_tells_faults_of_machines_from_those_of_functions() -> None:
    faults = [{"kind": "throttled", "service": service} for service in ("sqs", MACHINE)]

    assert [soak.fault_name(fault) for fault in faults] == ["throttled", "throttled (machine)"]
