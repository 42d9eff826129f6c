"""Processes of a function share one copy of its code."""

import inspect
import tempfile
import zipfile
from pathlib import Path

import pytest
from ministack.core import lambda_runtime

from local.gaps.code_on_disk import SharedZipFile


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.py", content)
    return path


def unpack(archive: Path, directory: Path) -> Path:
    directory.mkdir(parents=True)
    with SharedZipFile(archive) as opened:
        opened.extractall(directory)
    return directory


def test_two_processes_have_one_copy(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "code.zip", handler="answer = 42")

    one, other = (unpack(archive, tmp_path / name / "code") for name in ("one", "other"))

    assert (one / "handler.py").read_text() == "answer = 42"
    assert one.resolve() == other.resolve()


def test_changed_code_is_another_copy(tmp_path: Path) -> None:
    old = unpack(zipped(tmp_path / "old.zip", handler="1"), tmp_path / "old" / "code")
    new = unpack(zipped(tmp_path / "new.zip", handler="2"), tmp_path / "new" / "code")

    assert (old / "handler.py").read_text() == "1"
    assert (new / "handler.py").read_text() == "2"


def test_a_copy_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "code.zip", handler="whole", other="too")
    shared = unpack(archive, tmp_path / "one" / "code").resolve()
    shared.rename(shared.with_suffix(".part"))  # as if its process had been killed
    (shared.with_suffix(".part") / "handler.py").unlink()

    again = unpack(archive, tmp_path / "other" / "code")

    assert sorted(path.name for path in again.iterdir()) == ["handler.py", "other.py"]


def test_a_layer_is_unpacked_where_it_is_wanted(tmp_path: Path) -> None:
    layer = unpack(zipped(tmp_path / "layer.zip", module="x"), tmp_path / "layer_0")

    assert not layer.is_symlink()
    assert (layer / "module.py").exists()


def test_upstream_still_unpacks_the_code_for_every_process() -> None:
    """When this fails, look whether ministack shares it now: code_on_disk.py can go then."""
    assert "zf.extractall(code_dir)" in inspect.getsource(lambda_runtime.Worker._spawn)
