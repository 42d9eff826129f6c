"""Every handler says what event it takes, what it returns and which errors it raises.

ConfigurationError, which any function raises that lacks a setting, is not repeated everywhere.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.support.asl import ROOT

MODULES = sorted(
    path for path in (ROOT / "handlers").glob("*/*.py") if "\ndef handler(" in path.read_text()
)
ERRORS = {
    name
    for path in (ROOT / "handlers").rglob("*.py")
    for name in re.findall(r"^ *class (\w+)", path.read_text(), re.MULTILINE)
}
ENVELOPE = {"stateName", "meta"}  # of every event of the cookies workflow


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def sample_of(path: Path) -> Path:
    return ROOT / "events" / path.parent.name / f"{path.stem.replace('_', '-')}.json"


def has_sample(path: Path) -> bool:
    return sample_of(path).exists()


def docstring(path: Path) -> str:
    functions = {
        node.name: node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    return ast.get_docstring(functions["handler"]) or ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_handler_documents_event_result_and_errors(path: Path) -> None:
    documented = docstring(path)

    assert re.match(r"Event: .+?\nResult: .+?\nErrors: .+", documented, re.S)
    assert set(re.findall(r"\b[A-Z]\w+Error\b", documented)) <= ERRORS


@pytest.mark.parametrize(
    "path", [path for path in MODULES if sample_of(path).exists()], ids=name_of
)
def test_the_documented_event_has_the_fields_of_the_sample(path: Path) -> None:
    event_line = docstring(path).partition("\nResult:")[0]
    sample = json.loads(sample_of(path).read_text())

    if "requestContext" in sample:
        fields = set(sample.get("pathParameters") or {})
    elif sample.get("source") == "aws.states":
        fields = {"executionArn", "status"}  # Step Functions' own event has many more
    elif "any event" in event_line:
        fields = {"id", "source", "detail-type", "time", "detail"}
    else:
        fields = set(sample.get("detail", sample)) - ENVELOPE
    assert {name for name in fields if name not in event_line} == set()
