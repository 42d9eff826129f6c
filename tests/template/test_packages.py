"""The package of each function: complete, and without anything that the function does not use.

Each is unpacked and imported by a process that has nothing else but boto3, as on Lambda. The
processes are forked from one that has loaded the parts of the standard library that boto3 needs.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from handlers.cookies.people import names_for
from tests.support.packaged import Package

RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
# Packages that choose their modules by name, or by what they find when they are used.
NOT_ALL_AT_ONCE = {"faker", "idna", "urllib3"}
ONLY_WHEN_USED = {"idna"}  # urllib3 imports it for a host name that is not ASCII
ISOLATED = [sys.executable, "-I", "-S", "-B", "-c"]
IMPORTED = """
import json, os, sys
folder, runtime, functions = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def files():
    return {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}

sys.path.append(runtime)
import boto3
for name, file in files().items():
    if file.startswith(runtime):
        del sys.modules[name]

for function, module in functions.items():
    child = os.fork()
    if not child:
        package = f"{folder}/{function}/"
        sys.path[:0] = [package]
        __import__(module)
        found = [f.removeprefix(package) for f in files().values() if f.startswith(package)]
        print(json.dumps([function, found]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{function}: {module} was not imported")
"""
PEOPLE = """
import json, sys
sys.path[:0] = [sys.argv[1]]
sys.path.append(sys.argv[2])
from handlers.cookies.people import names_for
print(json.dumps(names_for({"count": 5, "seed": 7}, execution="any")))
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        (folder / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    return folder


def unpacked(package: Package, function: str, folder: Path) -> Path:
    with zipfile.ZipFile(package.archives[function]) as archive:
        archive.extractall(folder / function)
    return folder / function


def output(script: str, *arguments: object) -> list[Any]:
    """What a program prints: a line of JSON each."""
    done = subprocess.run(
        [*ISOLATED, script, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def roots(names: set[str]) -> set[str]:
    return {name.partition("/")[0] for name in names}


def test_a_package_has_what_its_handler_imports_and_nothing_else(
    dev: Package, runtime: Path, tmp_path: Path
) -> None:
    modules = {
        properties["FunctionName"].rpartition("-")[2]: (
            properties["Handler"].rpartition(".")[0].replace("/", ".")
        )
        for properties in dev.resources("AWS::Lambda::Function").values()
    }
    folders = {function: unpacked(dev, function, tmp_path) for function in modules}

    found = dict(output(IMPORTED, tmp_path, runtime, json.dumps(modules)))

    assert found.keys() == modules.keys()
    for function, folder in folders.items():
        imported = set(found[function])
        held = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
        not_imported = held - imported
        assert roots(not_imported) <= NOT_ALL_AT_ONCE, (function, not_imported)
        assert roots(held) - ONLY_WHEN_USED == roots(imported) - ONLY_WHEN_USED, function


def test_the_packaged_part_of_faker_makes_the_same_people(
    dev: Package, runtime: Path, tmp_path: Path
) -> None:
    folder = unpacked(dev, "getMultiple", tmp_path)

    assert output(PEOPLE, folder, runtime) == [names_for({"count": 5, "seed": 7}, execution="any")]
