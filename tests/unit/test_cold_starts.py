"""What each function imports before its first invocation: all of it is part of every cold start."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.support import asl
from tests.support.asl import ROOT
from tests.support.packaged import as_list

pytestmark = pytest.mark.slow

# Packages outside of the standard library. Powertools imports botocore's root alone.
EVERY_FUNCTION = {"aws_lambda_powertools", "botocore", "jmespath", "typing_extensions"}
WITH_CLIENTS = {"certifi", "dateutil", "six", "urllib3"}
REQUESTS = {"charset_normalizer", "idna", "requests"}
ALSO = {
    "downloadBatch": REQUESTS,
    "postProcessSingle": REQUESTS,
    "getMultiple": {"faker"},
    "processSingle": {"faker"},
}
POWERTOOLS = {
    *("exceptions", "logging", "metrics", "package_logger", "shared", "tracing", "utilities"),
    "warnings",
}
POWERTOOLS_UTILITIES = {"jmespath_utils", "typing"}
# Modules of the standard library that take long to import.
FOR_CONNECTIONS = {"email", "http", "ssl"}
NEVER = {"asyncio", "sqlite3", "unittest", "xmlrpc"}
# The functions without a client that import these; clients import them all.
PARSING = {"indexSegment", "processFile", "processSegment"}
SOME = {
    "concurrent.futures": {"processSegment", "reconcilePartition", "summarise"},
    "csv": PARSING | {"summarise"},
    "decimal": PARSING,
    "tempfile": set(),  # a file that needs one imports it then
}
# Services that a function uses, but not in every invocation.
SOMETIMES = {
    "cancelSignatureRequest": {"stepfunctions"},  # if the request is still open
    "deliverDecisions": {"stepfunctions"},  # if a decision was not delivered
    "remindSigner": {"stepfunctions"},  # if a decision was not delivered
    "reportTaskFailure": {"sqs"},  # if an event cannot be read
    "requestDocumentSignature": {"stepfunctions"},  # if there is a decision already
}
# Services to which a function sends all of its requests without a client.
WITHOUT_CLIENT = {
    "processFile": {"dynamodb", "s3"},
    "indexSegment": {"s3"},
    "reconcilePartition": {"s3"},
    "processSegment": {"dynamodb", "s3"},
    "summarise": {"s3"},
}
# IAM's prefixes of services that botocore knows by another name, or that no function calls itself.
SERVICES = {"states": "stepfunctions", "iam": None, "xray": None}
IMPORTING = """
import importlib, json, os, sys

sys.path[:0] = sys.argv[1:3]
import handlers.shared.clients, handlers.shared.observability  # once is enough here

class Loader:  # of nothing: the descriptions of services are no modules
    def load_data(self, _): pass
    def load_service_model(self, *_): pass

handlers.shared.clients._loader = Loader

for line in sys.stdin:
    child = os.fork()
    if not child:
        importlib.import_module(line.strip())
        files = [name for name, module in sys.modules.items() if hasattr(module, "__file__")]
        sys.stdout.write(json.dumps(files) + "\\n")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def functions() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((ROOT / "handlers").glob("*/functions.yml")):
        yield from yaml.load(path.read_text(), asl.Loader).items()


FUNCTIONS = dict(functions())


def module_of(function: str) -> str:
    return str(FUNCTIONS[function]["handler"]).rpartition(".")[0].replace("/", ".")


def prepared(function: str) -> set[str]:
    """The services in the `prepare(…)` of a function's handler."""
    source = (ROOT / f"{module_of(function).replace('.', '/')}.py").read_text()
    return {
        ast.literal_eval(argument)
        for node in ast.parse(source).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        for argument in node.value.args
        if ast.unparse(node.value.func) == "prepare"
    }


def called(function: str) -> set[str]:
    """The services that a function may call itself, by botocore's names."""
    actions = [
        action
        for statement in FUNCTIONS[function]["iamRoleStatements"]
        for action in as_list(resolved(statement)["Action"])
    ]
    # Lambda, not the function, sends an event that has failed to the failure destination.
    if "destinations" in FUNCTIONS[function]:
        actions = [action for action in actions if action != "sqs:SendMessage"]
    prefixes = {action.partition(":")[0] for action in actions}
    return {name for prefix in prefixes if (name := SERVICES.get(prefix, prefix))}


def resolved(statement: dict[str, Any] | str) -> dict[str, Any]:
    """A statement, also one that is `${file(handlers/shared/mail.yml):log}`."""
    if isinstance(statement, dict):
        return statement
    included = re.fullmatch(r"\$\{file\((.+)\):(\w+)\}", statement)
    assert included
    found: dict[str, Any] = yaml.load((ROOT / included[1]).read_text(), asl.Loader)[included[2]]
    return found


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """The modules that are loaded after each function's handler is imported."""
    packages = str(Path(boto3.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORTING, str(ROOT), packages],
        input="\n".join(map(module_of, FUNCTIONS)),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    return {key: set(json.loads(line)) for key, line in zip(FUNCTIONS, lines, strict=True)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_only_packages_that_it_uses(
    function: str, loaded: dict[str, set[str]]
) -> None:
    roots = {name.partition(".")[0] for name in loaded[function] if not name.startswith("_")}
    found = roots - sys.stdlib_module_names - {"handlers"}
    clients = WITH_CLIENTS if prepared(function) else set()

    assert found == EVERY_FUNCTION | clients | ALSO.get(function, set())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_only_parts_of_powertools_that_it_uses(
    function: str, loaded: dict[str, set[str]]
) -> None:
    parts = [name.split(".")[1:] for name in loaded[function] if name.startswith("aws_lambda_pow")]

    assert {part[0] for part in parts if part} == POWERTOOLS
    assert {part[1] for part in parts if part[0:1] == ["utilities"] and part[1:]} == (
        POWERTOOLS_UTILITIES
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_without_connections_imports_nothing_for_them(
    function: str, loaded: dict[str, set[str]]
) -> None:
    assert not loaded[function] & NEVER
    if not called(function):
        assert not loaded[function] & FOR_CONNECTIONS


@pytest.mark.parametrize("module", SOME)
def test_a_function_without_a_client_imports_what_it_uses(
    module: str, loaded: dict[str, set[str]]
) -> None:
    importing = {function for function in FUNCTIONS if module in loaded[function]}
    assert {function for function in importing if not prepared(function)} == SOME[module]


def test_an_import_is_not_interrupted_by_searches_for_garbage() -> None:
    # Given how often Python has searched before and after the import of two handlers
    script = """if True:
        import gc, sys
        sys.path[:0] = sys.argv[1:]
        count = lambda: sum(generation["collections"] for generation in gc.get_stats())
        before = count()
        import handlers.signature.sign_document, handlers.sensor.move_file
        print(count() - before, gc.isenabled())
    """
    packages = str(Path(boto3.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", script, str(ROOT), packages]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    # Then it never has, and will for the invocations
    assert done.stdout.split() == ["0", "True"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_prepares_the_clients_that_it_always_needs(function: str) -> None:
    others = SOMETIMES.get(function, set()) | WITHOUT_CLIENT.get(function, set())
    assert prepared(function) == called(function) - others
