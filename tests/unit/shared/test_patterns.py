"""No pattern of the service matches a text that is followed by a line break.

`$` at the end of a pattern means the end of the text to JavaScript, and to Java and Python also the
place before a last line break. API Gateway, the local AWS and our functions are of all three kinds.
"""

import ast
import json
import re
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]  # how Python itself reads a pattern
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.asl import ROOT

SERVICE = ("handlers", "statemachines", "events")
LINE_BREAKS = ["\n", "\r\n", "\r"]


class Loader(yaml.CSafeLoader):
    """Ignores CloudFormation's tags, which contain no pattern."""


Loader.add_multi_constructor("!", lambda *_: None)


def in_schemas() -> Iterator[tuple[str, str]]:
    """Every `pattern` of a JSON Schema: what API Gateway validates, and the events' details."""
    for folder in SERVICE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix == ".json":
                loaded = json.loads(path.read_text())
            elif path.suffix == ".yml":
                loaded = yaml.load(path.read_text(), Loader)
            else:
                continue
            for pattern in patterns_of(loaded):
                yield str(path.relative_to(ROOT)), pattern


def patterns_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for item in value.values():
            yield from patterns_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from patterns_of(item)


def in_code() -> Iterator[tuple[str, str]]:
    """Every pattern that a function of `re` gets as a literal."""
    folders = (ROOT / name for name in ("handlers", "ops"))
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        code = path.read_text()
        # To parse a module takes milliseconds, in each worker.
        for node in ast.walk(ast.parse(code)) if "import re\n" in code else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr != "escape"
            ):
                pattern = ast.literal_eval(node.args[0])
                yield str(path.relative_to(ROOT)), pattern


SCHEMAS, CODE = sorted(set(in_schemas())), sorted(set(in_code()), key=repr)


def ends_of_line(pattern: Any) -> bool:
    """Whether a pattern, as Python reads it, has a `$`: not `\\$`, and not in `[$]`."""
    return "(AT, AT_END)" in repr(list(_parser.parse(pattern)))


def test_patterns_of_schemas_and_code_are_found() -> None:
    assert {path for path, _ in SCHEMAS} >= {
        "handlers/images/request.schema.json",
        "handlers/signature/machine.yml",
        "events/schemas/common.json",
    }
    assert {path for path, _ in CODE} >= {
        "handlers/signature/request.py",
        "handlers/images/request.py",
        "handlers/sensor/readings.py",
    }


@pytest.mark.parametrize(("path", "pattern"), SCHEMAS + CODE, ids=str)
def test_no_pattern_relies_on_the_dollar_sign(path: str, pattern: Any) -> None:
    assert not ends_of_line(pattern), path


@pytest.mark.parametrize("pattern", [r"a$", r"(a|b$)", r"^(a|$)+", rb"x$"], ids=str)
def test_a_dollar_sign_is_found_anywhere_in_a_pattern(pattern: Any) -> None:
    assert ends_of_line(pattern)


@pytest.mark.parametrize("pattern", [r"a\$", r"[$]", r"a\Z", r"a(?![\s\S])"], ids=str)
def test_an_escaped_dollar_sign_is_not_an_end_of_line(pattern: str) -> None:
    assert not ends_of_line(pattern)


@pytest.mark.parametrize(("path", "pattern"), SCHEMAS, ids=str)
def test_no_schema_accepts_a_final_line_break(path: str, pattern: str) -> None:
    """Searches like a JSON Schema validator, with generated texts."""

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
    @given(st.from_regex(pattern, fullmatch=True))
    def check(matching_text: str) -> None:
        assert re.search(pattern, matching_text)
        for line_break in LINE_BREAKS:
            assert not re.search(pattern, matching_text + line_break), (path, matching_text)

    check()
