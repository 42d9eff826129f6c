"""Which modules belong into a function's package."""

import zipfile
from collections.abc import Callable
from importlib.util import source_from_cache
from pathlib import Path

import pytest

from plugins import packages

FILES = {
    "handlers/__init__.py": "",
    "handlers/one/__init__.py": "",
    "handlers/one/logic.py": "",
    "handlers/one/unused.py": "",
    "handlers/other/__init__.py": "",
    "handlers/other/logic.py": "",
    "requirements/library/__init__.py": "",
    "requirements/library/part.py": "from . import deep\nfrom .deep import inner as renamed\n",
    "requirements/library/deep/__init__.py": "",
    "requirements/library/deep/inner.py": "",
    "requirements/library/unused.py": "",
    "requirements/library/data.txt": "".join(f"line {number}\n" for number in range(2000)),
    "requirements/library/py.typed": "",
}
OWN = {"handlers/__init__.py", "handlers/one/__init__.py", "handlers/one/handler.py"}
LIBRARY = {"library/__init__.py", "library/data.txt"}
PART = LIBRARY | {"library/part.py", "library/deep/__init__.py", "library/deep/inner.py"}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], set[str]]:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.setattr(packages, "requirements", lambda: tmp_path / "requirements")

    def found(source: str) -> set[str]:
        (tmp_path / "handlers" / "one" / "handler.py").write_text(source)
        packages.build({"function": "handlers/one/handler.handler"}, tmp_path, byte_code=False)
        with zipfile.ZipFile(tmp_path / "function.zip") as package:
            return set(package.namelist())

    return found


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("import json, boto3", set()),
        ("from handlers.one.logic import name", {"handlers/one/logic.py"}),
        ("from handlers.one import logic", {"handlers/one/logic.py"}),
        ("import library", LIBRARY),
        ("import library.part", PART),
        ("def later():\n    from library import part", PART),
        ("try:\n    import library\nexcept ImportError:\n    pass", LIBRARY),
        ("try:\n    pass\nfinally:\n    import library", LIBRARY),
        ("match 1:\n    case 1:\n        import library", LIBRARY),
        ("if TYPE_CHECKING:\n    import library", set()),
        ("if typing.TYPE_CHECKING:\n    import library", set()),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import library", LIBRARY),
        ("if sys.platform == 'win32':\n    import library", set()),
        ("if sys.platform == 'linux':\n    import library", LIBRARY),
        ("import local, tests, plugins", set()),
    ],
)
def test_a_package_has_what_its_handler_imports(
    found: Callable[[str], set[str]], source: str, more: set[str]
) -> None:
    assert found(source) == OWN | more


def test_a_module_that_is_left_out_does_not_come_with_one_that_imports_it(
    found: Callable[[str], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LEFT_OUT", frozenset({"library.deep"}))

    assert found("import library.part") == OWN | LIBRARY | {"library/part.py"}


def test_modules_that_a_package_imports_by_name_come_with_it(
    found: Callable[[str], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "IMPORTED_BY_NAME", {"library": ["library/deep/*.py"]})

    assert found("import library") == OWN | PART - {"library/part.py"}
    assert found("import json") == OWN


def test_a_package_has_the_bytes_that_zipfile_would_write(
    found: Callable[[str], set[str]], tmp_path: Path
) -> None:
    names = sorted(found("from library import part"))
    roots = (tmp_path, tmp_path / "requirements")
    with zipfile.ZipFile(tmp_path / "expected.zip", "w") as expected:
        for name in names:
            entry = zipfile.ZipInfo(name, packages.DATE)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, packages.UNIX
            entry.external_attr = packages.MODE << 16
            content = next(path for root in roots if (path := root / name).exists()).read_bytes()
            expected.writestr(entry, content, compresslevel=packages.LEVEL)

    written = (tmp_path / "function.zip").read_bytes()
    assert written == (tmp_path / "expected.zip").read_bytes()


def test_the_same_sources_give_the_same_bytes(
    found: Callable[[str], set[str]], tmp_path: Path
) -> None:
    found("NAME = 'name'\n")
    handlers = {"function": "handlers/one/handler.handler"}
    for folder in ("first", "second"):
        packages.build(handlers, tmp_path / folder)

    first, second = (tmp_path / folder / "function.zip" for folder in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as package:
        assert {source_from_cache(name) for name in package.namelist() if "pyc" in name} == OWN
