"""What is deployed after which change; tests/e2e/local shows that it is really done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import deploy, redeploy_handlers
from local.deploy import Outcome
from local.errors import LocalError
from local.settings import Settings
from plugins import packages

HANDLER = "handlers/sensor/move_file.py"


class FakeAws:
    """A local AWS that records what is deployed to it."""

    def __init__(self) -> None:
        self.deployed = False
        self.calls: list[str] = []
        self.fails: Exception | None = None

    def is_deployed(self) -> bool:
        return self.deployed

    def run_serverless(self, _: Settings, *arguments: str) -> None:
        self.calls.append(" ".join(arguments))
        self.deployed = True

    def update(self, _: Any) -> None:
        self.calls.append("update the handlers")
        if self.fails:
            raise self.fails


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*deploy.SOURCES, HANDLER, "handlers/sensor/functions.yml"):
        path = tmp_path / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("one")
    for module in (deploy, packages):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws()
    monkeypatch.setattr(deploy, "Aws", lambda _: fake)
    monkeypatch.setattr(deploy, "run_serverless", fake.run_serverless)
    monkeypatch.setattr(deploy, "_verify_mail_domain", lambda _: None)
    monkeypatch.setattr(redeploy_handlers, "update", fake.update)
    return fake


@pytest.fixture
def run(
    checkout: Path, aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Deploy; what was called before is forgotten."""
    monkeypatch.setattr(Settings, "directory", tmp_path)

    def run(report: Callable[[str], None] = pytest.fail) -> Outcome:
        aws.calls.clear()
        return deploy.deploy(Settings(), report)

    assert run() is Outcome.ALL
    return run


def test_nothing_is_deployed_when_nothing_has_changed(
    run: Callable[..., Outcome], aws: FakeAws
) -> None:
    assert run() is Outcome.UNCHANGED
    assert aws.calls == []


def write(checkout: Path) -> None:
    (checkout / HANDLER).write_text("two")


def add(checkout: Path) -> None:
    (checkout / "handlers" / "sensor" / "new.py").write_text("")


def remove(checkout: Path) -> None:
    (checkout / HANDLER).unlink()


@pytest.mark.parametrize("change", [write, add, remove])
def test_a_changed_handler_is_deployed_alone(
    run: Callable[..., Outcome], aws: FakeAws, checkout: Path, change: Callable[[Path], None]
) -> None:
    change(checkout)

    assert run() is Outcome.HANDLERS
    assert aws.calls == ["update the handlers"]
    assert run() is Outcome.UNCHANGED


@pytest.mark.parametrize("name", ["serverless.yml", "handlers/sensor/functions.yml"])
def test_any_other_change_is_deployed_by_the_framework(
    run: Callable[..., Outcome], aws: FakeAws, checkout: Path, name: str
) -> None:
    write(checkout)
    (checkout / name).write_text("two")

    assert run() is Outcome.ALL
    assert aws.calls == ["deploy --stage local --force"]


def test_a_removed_stack_is_deployed_by_the_framework(
    run: Callable[..., Outcome], aws: FakeAws, checkout: Path
) -> None:
    write(checkout)
    aws.deployed = False

    assert run() is Outcome.ALL
    assert aws.calls == ["deploy --stage local --force"]


@pytest.mark.parametrize("record", ["", "{", "[]", "0123abcd"])
def test_an_unreadable_record_counts_as_none(
    run: Callable[..., Outcome], tmp_path: Path, record: str
) -> None:
    (tmp_path / "deployed.json").write_text(record)

    assert run() is Outcome.ALL
    assert run() is Outcome.UNCHANGED


@pytest.mark.parametrize("error", [LocalError("too slow"), LookupError("too slow")])
def test_everything_is_deployed_if_deploying_the_handlers_fails(
    run: Callable[..., Outcome], aws: FakeAws, checkout: Path, error: Exception
) -> None:
    write(checkout)
    aws.fails = error
    reports: list[str] = []

    assert run(reports.append) is Outcome.ALL
    assert aws.calls == ["update the handlers", "deploy --stage local --force"]
    assert "too slow" in reports[0]


def test_after_a_failed_deployment_nothing_counts_as_deployed(
    run: Callable[..., Outcome], aws: FakeAws, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise LocalError("refused")

    write(checkout)
    aws.fails = LocalError("too slow")
    with monkeypatch.context() as broken:
        broken.setattr(deploy, "run_serverless", fail)
        with pytest.raises(LocalError, match="refused"):
            run(lambda _: None)

    assert run() is Outcome.ALL
