"""Processes of a function share one copy of its code."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime

from local.gaps import code_on_disk
from tests.integration.local.functions import Functions, zipped

HANDLER = "def handler(event, context): return "


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_runtime, "zipfile", lambda_runtime.zipfile)
    monkeypatch.setattr(lambda_runtime.Worker, "_spawn", lambda_runtime.Worker._spawn)
    code_on_disk.install()


class Workers:
    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._started: list[Any] = []

    def start(self, arn: str, code: bytes | None = None) -> Any:
        record = self._functions.record(arn)
        worker = lambda_runtime.Worker(
            "function", record["config"], record["code_zip"] if code is None else code
        )
        lambda_runtime.ensure_spawned(worker)
        self._started.append(worker)
        return worker

    def end(self) -> None:
        lambda_runtime.kill_workers(self._started)


@pytest.fixture
def workers(functions: Functions) -> Iterator[Workers]:
    workers = Workers(functions)
    yield workers
    workers.end()


def code_of(worker: Any) -> Path:
    return Path(worker._tmpdir) / "code"


def test_upstream_still_unpacks_the_code_for_every_process(
    functions: Functions, workers: Workers
) -> None:
    """When this fails, ministack shares the code: code_on_disk.py can go."""
    arn = functions.create(f"{HANDLER}1")

    one, other = workers.start(arn), workers.start(arn)

    assert code_of(one).resolve() != code_of(other).resolve()


@pytest.mark.usefixtures("filled")
def test_two_processes_have_one_copy(functions: Functions, workers: Workers) -> None:
    arn = functions.create(f"{HANDLER}event")

    one, other = workers.start(arn), workers.start(arn)

    assert code_of(one).resolve() == code_of(other).resolve()
    assert [worker.invoke(42, "id")["result"] for worker in (one, other)] == [42, 42]


@pytest.mark.usefixtures("filled")
def test_the_package_is_read_once(functions: Functions, workers: Workers) -> None:
    arn = functions.create(f"{HANDLER}1")
    workers.start(arn)

    again = workers.start(arn, code=b"not even a zip")

    assert again.invoke({}, "id")["result"] == 1
    assert (Path(again._tmpdir) / "code.zip").stat().st_size < 1000, "nor is it written again"


@pytest.mark.usefixtures("filled")
def test_changed_code_is_another_copy(functions: Functions, workers: Workers) -> None:
    old, new = (workers.start(functions.create(f"{HANDLER}{n}")) for n in (1, 2))

    assert [worker.invoke({}, "id")["result"] for worker in (old, new)] == [1, 2]


@pytest.mark.usefixtures("filled")
def test_a_process_that_is_started_again_has_its_code(
    functions: Functions, workers: Workers
) -> None:
    worker = workers.start(functions.create(f"{HANDLER}event['x']"))

    assert worker.invoke({}, "id")["status"] == "error"  # ends the process
    shutil.rmtree(code_of(worker).resolve())  # as something that tidies up the scratch directory
    assert worker.invoke({"x": 3}, "id")["result"] == 3


@pytest.mark.usefixtures("filled")
def test_a_copy_that_was_not_finished_is_made_again(functions: Functions, workers: Workers) -> None:
    arn = functions.create(f"{HANDLER}1")
    shared = code_of(workers.start(arn)).resolve()
    workers.end()
    shared.rename(shared.with_suffix(".part"))  # as if the server had been killed
    (shared.with_suffix(".part") / "main.py").unlink()

    again = workers.start(arn)

    assert [path.name for path in code_of(again).iterdir() if path.is_file()] == ["main.py"]


@pytest.mark.usefixtures("filled")
def test_a_layer_is_unpacked_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_bytes(zipped("x = 1"))

    with lambda_runtime.zipfile.ZipFile(str(tmp_path / "layer.zip")) as layer:
        layer.extractall(tmp_path / "layer_0")

    assert (tmp_path / "layer_0" / "main.py").exists()
    assert not (tmp_path / "layer_0").is_symlink()
