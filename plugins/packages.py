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
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path

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
DATE = 1 << 5 | 1  # of every file: 1 January 1980, the earliest that a zip can hold
MODE = 0o100644
UNIX = 3  # the system whose modes the zip has
VERSION = 20  # of the zip format: 2.0
DEFLATED = 8  # how files are compressed
LEVEL = 1  # of compression: the highest takes three times as long and saves a tenth


def build(handlers: Mapping[str, str], target: Path, *, byte_code: bool = True) -> None:
    """Write <function>.zip for each function, given its handler: handlers/sensor/move_file.handler.

    Without `byte_code`, for a runtime of another Python version, every cold start compiles.
    """
    target.mkdir(parents=True, exist_ok=True)
    for cached in (_imports, _module, _byte_code, _compressed):
        cached.cache_clear()  # the sources may have changed
    for function, handler in handlers.items():
        members = files(handler, byte_code=byte_code)
        (target / f"{function}.zip").write_bytes(_zip(members))


def _zip(members: Mapping[str, Path]) -> bytes:
    """A zip of files. The module `zipfile` would compress a file again for every package.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.6 to 4.3.16
    """
    contents, directory, offset = [], [], 0
    for name, path in members.items():
        checksum, size, data = _compressed(path)
        sizes = checksum, len(data), size, len(name), 0
        description = struct.pack("<5H3L2H", VERSION, 0, DEFLATED, 0, DATE, *sizes)
        content = b"PK\3\4" + description + name.encode("ascii") + data
        attributes = struct.pack("<3H2L", 0, 0, 0, MODE << 16, offset)
        made_by = struct.pack("<H", UNIX << 8 | VERSION)
        directory.append(b"PK\1\2" + made_by + description + attributes + name.encode("ascii"))
        contents.append(content)
        offset += len(content)
    listed = b"".join(directory)
    counts = 0, 0, len(members), len(members)
    end = b"PK\5\6" + struct.pack("<4H2LH", *counts, len(listed), offset, 0)
    return b"".join([*contents, listed, end])


@cache
def _compressed(path: Path) -> tuple[int, int, bytes]:
    """Checksum, size and compressed content of a file, which many packages may have."""
    content = path.read_bytes()
    compressor = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    return zlib.crc32(content), len(content), compressor.compress(content) + compressor.flush()


def files(handler: str, *, byte_code: bool = True) -> dict[str, Path]:
    """The files of a function's package, by their names in it."""
    found: dict[str, Path] = {}
    for module in _modules_reached_from(handler.rpartition(".")[0]):
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
        with _moved_when_complete(folder) as part:
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


def _modules_reached_from(handler: str) -> list[Path]:
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
    package = ".".join(module.parent.relative_to(root).parts)
    found = {
        path
        for pattern in IMPORTED_BY_NAME.get(package, ())
        for path in requirements().glob(pattern)
    }
    for name in {package, *_names(module, package)}:
        parts = name.split(".")
        with_parents = [".".join(parts[: end + 1]) for end in range(len(parts))]
        if LEFT_OUT.isdisjoint(with_parents):
            found |= {path for name in with_parents for path in _module(name)}
    return tuple(found)


def _names(module: Path, package: str) -> list[str]:
    """The names that a module of a package imports. They are cached, because parsing is slow."""
    source = module.read_bytes()
    digest = _digest(_own_source(), package.encode(), source)
    cached = _cached_file(
        _cache() / "imports" / digest,
        lambda file: file.write_text("\n".join(_imported(source, package))),
    )
    return cached.read_text().splitlines()


def _imported(source: bytes, package: str) -> Iterator[str]:
    parts = package.split(".")
    for node in _executed_on_lambda(ast.parse(source).body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (start, *(f"{start}.{alias.name}" for alias in node.names))


def _executed_on_lambda(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every statement except those that are never executed on Lambda."""
    for node in body:
        yield node
        for block in ("body", "handlers", "cases", "orelse", "finalbody"):
            if block != "body" or not (isinstance(node, ast.If) and _is_false_on_lambda(node.test)):
                yield from _executed_on_lambda(getattr(node, block, ()))


def _is_false_on_lambda(test: ast.expr) -> bool:
    """Whether this is `TYPE_CHECKING` or `sys.platform == <another system>`."""
    match test:
        case ast.Name("TYPE_CHECKING") | ast.Attribute(_, "TYPE_CHECKING"):
            return True
        case ast.Compare(
            ast.Attribute(ast.Name("sys"), "platform"), [ast.Eq()], [ast.Constant(system)]
        ):
            return system != "linux"
    return False


@cache
def _module(name: str) -> tuple[Path, ...]:
    """The file of a module; none if it is neither ours nor one of the requirements."""
    root = ROOT if name.partition(".")[0] == HANDLERS else requirements()
    path = root.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return tuple(path for path in candidates if path.is_file())[:1]


def _data(folder: Path) -> Iterator[Path]:
    """The data files of a package of the requirements, such as certificates."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in {".py", ".pyi"} and path.name != "py.typed":
            yield path


@cache
def _byte_code(module: Path, name: str) -> Path:
    """The byte code of a module. Compiled once, because its bytes can differ each time."""
    if not module.is_relative_to(ROOT / HANDLERS):
        return Path(cache_from_source(str(module)))
    digest = _digest(name.encode(), module.read_bytes())
    return _cached_file(
        _cache() / "handlers" / f"{digest}.pyc",
        lambda file: py_compile.compile(
            str(module), str(file), name, doraise=True, invalidation_mode=UNCHECKED
        ),
    )


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


@cache
def _own_source() -> bytes:
    """This module's source. It has the rules for finding imports, so the cache depends on it."""
    return Path(__file__).read_bytes()


def _cached_file(file: Path, make: Callable[[Path], object]) -> Path:
    """A file, made by the first process that needs it."""
    if not file.exists():
        with _moved_when_complete(file) as part:
            make(part / "made")
            (part / "made").replace(file)
    return file


def _cache() -> Path:
    """The folder for cached files of this Python version, because they include byte code."""
    return ROOT / ".stepworks" / "packages" / str(sys.implementation.cache_tag)


@contextmanager
def _moved_when_complete(path: Path) -> Iterator[Path]:
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
