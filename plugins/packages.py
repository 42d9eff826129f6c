"""Builds the package of each function: its handler, the modules that it imports, and nothing else.

`packages.js` runs this module when the service is packaged. `local/redeploy_handlers.py` uses it
when only handlers have changed. The same sources give the same bytes.

Modules are found by reading `import` statements, also those inside functions, without running
anything. Everything else that a package needs is in `IMPORTED_BY_NAME`.
"""

import argparse
import ast
import compileall
import hashlib
import json
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
HANDLERS = "handlers"
# The Lambda runtime has these (docs/decisions/0004-pure-python-packages.md).
IN_RUNTIME = frozenset({"boto3", "botocore", "s3transfer", "python-dateutil", "six"})
# Modules that a package imports by name. Faker has one for each kind of data and each language. The
# functions use en_US; some kinds of data have only en_GB.
IMPORTED_BY_NAME = {
    "faker": [
        f"faker/providers/{folder}__init__.py"
        for folder in ("", "*/", "*/en/", "*/en_GB/", "*/en_US/")
    ],
}
# Modules that no function needs, although a module that it needs imports them. Powertools imports
# its HTTP router, with Swagger UI, to log models of pydantic.
LEFT_OUT = frozenset({"aws_lambda_powertools.event_handler"})
# Python uses the byte code without a look at its source. A zip does not keep the time of the
# source, so byte code that is checked by time would never be valid (PEP 552).
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
DATE = (1980, 1, 1, 0, 0, 0)  # of every file: the earliest that a zip can hold
MODE = 0o100644
UNIX = 3  # the system whose modes the zip has
LEVEL = 1  # of compression: the highest takes three times as long and saves a tenth


def build(handlers: Mapping[str, str], target: Path, *, byte_code: bool = True) -> None:
    """Write <function>.zip for each function, given its handler: handlers/sensor/move_file.handler.

    Without `byte_code`, for a runtime of another Python version, every cold start compiles.
    """
    target.mkdir(parents=True, exist_ok=True)
    _imports.cache_clear()  # the sources may have changed
    compressed = cache(_compressed)  # most files are in the packages of most functions
    for function, handler in handlers.items():
        with zipfile.ZipFile(target / f"{function}.zip", "w") as package:
            for name, path in files(handler, byte_code=byte_code).items():
                _add(package, name, compressed(path))


class _Compressed(NamedTuple):
    data: bytes
    size: int  # of the file itself
    crc: int


def _compressed(path: Path) -> _Compressed:
    content = path.read_bytes()
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = compressor.compress(content) + compressor.flush()
    return _Compressed(data, len(content), zlib.crc32(content))


def _add(package: zipfile.ZipFile, name: str, file: _Compressed) -> None:
    """What `ZipFile.writestr` does, but the file is compressed already."""
    entry = zipfile.ZipInfo(name, DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = UNIX
    entry.external_attr = MODE << 16
    entry.CRC, entry.file_size, entry.compress_size = file.crc, file.size, len(file.data)
    stream = package.fp
    assert stream
    entry.header_offset = stream.tell()
    stream.write(entry.FileHeader(zip64=False) + file.data)
    package.start_dir = stream.tell()  # where the next file begins, or the directory
    package.filelist.append(entry)
    package.NameToInfo[name] = entry
    package._didModify = True  # type: ignore[attr-defined]  # the directory must be written


def files(handler: str, *, byte_code: bool = True) -> dict[str, Path]:
    """The files of a function's package, by their names in it."""
    found: dict[str, Path] = {}
    for module in _reached(handler.rpartition(".")[0]):
        root = ROOT if module.is_relative_to(ROOT / HANDLERS) else requirements()
        name = module.relative_to(root)
        found[name.as_posix()] = module
        if byte_code:
            found[Path(cache_from_source(str(name))).as_posix()] = _byte_code(module, str(name))
        if module.name == "__init__.py" and root != ROOT:
            found |= {path.relative_to(root).as_posix(): path for path in _data(module.parent)}
    return dict(sorted(found.items()))


@cache
def requirements() -> Path:
    """The folder with the packages that the runtime does not have. pip installs them once."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if "==" in line and line.partition("==")[0] not in IN_RUNTIME]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
    folder = _cache() / f"requirements-{digest}"
    if not folder.exists():
        with _completed(folder) as part:
            _install(wanted, part)
    return folder


def _install(wanted: list[str], folder: Path) -> None:
    """Install packages, and refuse those with compiled parts: they fit one kind of processor."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pure = ["--platform=any", "--implementation=py", "--only-binary=:all:"]
    options = ["--no-deps", "--no-compile", f"--target={folder}"]
    done = subprocess.run(
        [*pip, *pure, *options, *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"The requirements could not be installed:\n{done.stderr.strip()}")
    compileall.compile_dir(
        folder, quiet=2, force=True, stripdir=str(folder), invalidation_mode=UNCHECKED
    )


def _reached(handler: str) -> list[Path]:
    """Every module that a handler imports, directly or through others."""
    waiting = [ROOT / f"{handler}.py"]
    found: set[Path] = set()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return sorted(found)


@cache
def _imports(module: Path) -> tuple[Path, ...]:
    """The modules of ours and of the requirements that a module imports."""
    root = ROOT if module.is_relative_to(ROOT / HANDLERS) else requirements()
    package = module.parent.relative_to(root).parts
    names: set[str] = {".".join(package)}
    for node in _executed(ast.parse(module.read_bytes()).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
    found = {
        path
        for pattern in IMPORTED_BY_NAME.get(".".join(package), ())
        for path in requirements().glob(pattern)
    }
    for name in names:
        parts = name.split(".")
        with_parents = [".".join(parts[: end + 1]) for end in range(len(parts))]
        if LEFT_OUT.isdisjoint(with_parents):
            found |= {path for name in with_parents for path in _module(name)}
    return tuple(found)


def _executed(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every statement but those that are not executed on Lambda."""
    for node in body:
        yield node
        for block in ("body", "handlers", "cases", "orelse", "finalbody"):
            if block != "body" or not (isinstance(node, ast.If) and _is_false(node.test)):
                yield from _executed(getattr(node, block, ()))


def _is_false(test: ast.expr) -> bool:
    """Whether this is `TYPE_CHECKING` or `sys.platform == <another system>`."""
    match test:
        case ast.Name("TYPE_CHECKING") | ast.Attribute(_, "TYPE_CHECKING"):
            return True
        case ast.Compare(
            ast.Attribute(ast.Name("sys"), "platform"), [ast.Eq()], [ast.Constant(system)]
        ):
            return system != "linux"
    return False


def _module(name: str) -> tuple[Path, ...]:
    """The file of a module; none if it is neither ours nor one of the requirements."""
    root = ROOT if name.partition(".")[0] == HANDLERS else requirements()
    path = root.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return tuple(path for path in candidates if path.is_file())[:1]


def _data(folder: Path) -> Iterator[Path]:
    """What a package of the requirements reads beside its modules, such as certificates."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in {".py", ".pyi"} and path.name != "py.typed":
            yield path


def _byte_code(module: Path, name: str) -> Path:
    """The byte code of a module. Compiled once, because its bytes can differ each time."""
    if not module.is_relative_to(ROOT / HANDLERS):
        return Path(cache_from_source(str(module)))
    digest = hashlib.sha256(name.encode() + b"\0" + module.read_bytes()).hexdigest()
    compiled = _cache() / "handlers" / f"{digest}.pyc"
    if not compiled.exists():
        with _completed(compiled) as part:
            made = part / "made"
            py_compile.compile(str(module), str(made), name, True, invalidation_mode=UNCHECKED)
            made.replace(compiled)
    return compiled


def _cache() -> Path:
    """Of this Python version, because it has byte code."""
    return ROOT / ".stepworks" / "packages" / str(sys.implementation.cache_tag)


@contextmanager
def _completed(path: Path) -> Iterator[Path]:
    """A folder that becomes `path` when it is complete, unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        yield part
        if not path.exists():
            part.rename(path)
    except OSError:
        if not path.exists():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main() -> None:
    """Build packages; the functions and their handlers are a JSON object on the standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--no-byte-code", action="store_true")
    arguments = parser.parse_args()
    build(json.load(sys.stdin), arguments.target, byte_code=not arguments.no_byte_code)


if __name__ == "__main__":
    main()
