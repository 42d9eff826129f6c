"""The cold start of every function: from the start of the process until its handler is imported.

Each function's package is built and unpacked as Lambda has it: read-only, and with files of 1980.
boto3 and what it needs come from a folder that stands for the Lambda runtime. Each measurement is a
new process without anything else on its path. The functions are interleaved. The median of the
rounds counts, over that of an interpreter that imports nothing.

An import runs on one processor, so its processor time is the time it takes on an idle machine. The
limits are compared with the processor time, because the elapsed time of a busy machine says little.
"""

import ast
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from plugins import packages

TITLE = "coldstart: from the start of a process to the imported handler"
ROUNDS, QUICK_ROUNDS = 7, 2
OLDEST = 315_532_800  # the date of every entry of a package: 1980-01-01
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
# Milliseconds, by function, else by workflow, else by the number of clients.
LIMITS = {"processFile": 110, "processSegment": 110, "images": 300}
LIMITS_BY_CLIENTS = {0: 80, 1: 240}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
MEASURED = """
import os, sys
package, runtime, module, *services = sys.argv[1:]
sys.path.insert(0, package)
sys.path.append(runtime)
if module:
    __import__(module)
if services:
    from handlers.shared.clients import client
    for service in services:
        client(service)
os._exit(0)
"""


@dataclass(frozen=True)
class Function:
    """A function and its package. `services` are those whose clients every invocation needs."""

    key: str
    workflow: str
    module: str
    services: tuple[str, ...]

    @property
    def limit(self) -> int | None:
        for limit in (LIMITS.get(self.key), LIMITS.get(self.workflow)):
            if limit is not None:
                return limit
        return LIMITS_BY_CLIENTS.get(len(self.services))


@dataclass
class Times:
    """Milliseconds of each round."""

    elapsed: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def over(self, bare: "Times") -> dict[str, float]:
        return {
            name: round(statistics.median(own) - statistics.median(base), 1)
            for name, own, base in (
                ("elapsed_ms", self.elapsed, bare.elapsed),
                ("processor_ms", self.processor, bare.processor),
            )
        }


def run(console: Console, *, quick: bool) -> dict[str, Any]:
    functions = list(_functions())
    rounds = QUICK_ROUNDS if quick else ROUNDS
    cases = [
        *((function, ()) for function in functions),
        *((function, function.services) for function in functions if function.services),
    ]
    bare = Times()
    times: dict[tuple[Function, tuple[str, ...]], Times] = {case: Times() for case in cases}
    with tempfile.TemporaryDirectory() as directory, console.status("Packaging …") as status:
        folder = Path(directory)
        sizes = _unpacked(functions, folder)
        runtime = _runtime(folder / "runtime")
        for number in range(rounds + 1):
            status.update(f"Round {number} of {rounds} …" if number else "Warming up …")
            measured = [(bare, _measured("", runtime, ""))]
            for (function, services), of_case in times.items():
                package = str(folder / function.key)
                measured.append((of_case, _measured(package, runtime, function.module, *services)))
            if number:  # the first round fills the caches of the file system
                for of_case, (elapsed, processor) in measured:
                    of_case.elapsed.append(elapsed)
                    of_case.processor.append(processor)
    rows = [
        {
            "function": function.key,
            "workflow": function.workflow,
            **sizes[function.key],
            "limit_ms": function.limit,
            "imported": times[function, ()].over(bare),
            "services": list(function.services),
            "with_clients": times[function, function.services].over(bare),
        }
        for function in functions
    ]
    console.print(_table(rows))
    return {
        "rounds": rounds,
        "bare": {
            "elapsed_ms": round(statistics.median(bare.elapsed), 1),
            "processor_ms": round(statistics.median(bare.processor), 1),
        },
        "rows": rows,
    }


def _functions() -> Iterator[Function]:
    """Every function of the service, by workflow."""
    for path in sorted((packages.ROOT / packages.HANDLERS).glob("*/functions.yml")):
        for key, function in yaml.load(path.read_text(), _AnyTag).items():
            module = function["handler"].rpartition(".")[0]
            services = _prepared(packages.ROOT / f"{module}.py")
            yield Function(key, path.parent.name, module.replace("/", "."), services)


class _AnyTag(yaml.SafeLoader):
    """Reads CloudFormation's functions, such as !GetAtt, as nothing."""


_AnyTag.add_multi_constructor("!", lambda *_: None)


def _prepared(module: Path) -> tuple[str, ...]:
    """The services of a handler's `prepare("dynamodb", "ses")`."""
    for node in ast.parse(module.read_text()).body:
        match node:
            case ast.Expr(ast.Call(ast.Name("prepare"), services)):
                return tuple(ast.literal_eval(service) for service in services)
    return ()


def _unpacked(functions: list[Function], folder: Path) -> dict[str, dict[str, int]]:
    """Build and unpack the packages; returns their sizes."""
    handlers = {
        function.key: f"{function.module.replace('.', '/')}.handler" for function in functions
    }
    packages.build(handlers, folder)
    sizes = {}
    for function in functions:
        archive = folder / f"{function.key}.zip"
        target = folder / function.key
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(target)
            entries = opened.infolist()
        sizes[function.key] = {
            "zip_bytes": archive.stat().st_size,
            "unpacked_bytes": sum(entry.file_size for entry in entries),
            "files": len(entries),
        }
        for path in sorted(target.rglob("*"), reverse=True):
            os.utime(path, (OLDEST, OLDEST))
            path.chmod(0o755 if path.is_dir() else 0o444)
    return sizes


def _runtime(folder: Path) -> str:
    """A folder with boto3 and what it needs, as in the Lambda runtime."""
    folder.mkdir()
    installed = Path(boto3.__file__).parents[1]
    for name in RUNTIME:
        (folder / name).symlink_to(installed / name)
    return str(folder)


def _measured(package: str, runtime: str, module: str, *services: str) -> tuple[float, float]:
    """Milliseconds of a process that imports a module and creates clients: elapsed, processor."""
    command = [sys.executable, "-I", "-S", "-B", "-c", MEASURED, package, runtime, module]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *services], env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{module} could not be imported from its package.")
    return elapsed * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("function")
    for heading in ("zip kB", "files", "elapsed ms", "processor ms", "limit", "with clients"):
        table.add_column(heading, justify="right")
    table.add_column("clients")
    for row in rows:
        imported, limit = row["imported"], row["limit_ms"]
        table.add_row(
            *(row["function"], f"{row['zip_bytes'] / 1000:,.0f}", str(row["files"])),
            *(f"{imported['elapsed_ms']:.0f}", f"{imported['processor_ms']:.0f}"),
            *(str(limit or "–"), f"{row['with_clients']['processor_ms']:.0f}"),
            ", ".join(row["services"]),
            style="red" if limit and imported["processor_ms"] > limit else "",
        )
    return table
