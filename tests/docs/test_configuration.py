"""docs/configuration.md says what serverless.yml and the code say."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local.settings import DEFAULT_KEEP, DEFAULT_PORT, DEFAULT_WAIT_SCALE
from tests.docs.pages import code, table
from tests.support.asl import ROOT, Loader

PAGE = "docs/configuration.md"
PARAMS: dict[str, dict[str, Any]] = yaml.load((ROOT / "serverless.yml").read_text(), Loader)[
    "params"
]
DEFAULTS = PARAMS["default"]
PARAMETERS = {code(cells[0]): cells for cells in table(PAGE, "parameter")}
VARIABLES = {code(cells[0]): cells for cells in table(PAGE, "variable")}


def test_every_parameter_is_documented_once() -> None:
    named = [cells[0] for cells in table(PAGE, "parameter")]

    assert sorted(named) == sorted(f"`{name}`" for name in DEFAULTS)
    assert {name for stage in PARAMS.values() for name in stage} == set(DEFAULTS)


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_parameters_default_is_the_one_in_use(name: str) -> None:
    default, stages = written(PARAMETERS[name][1])

    if "${" in str(DEFAULTS[name]):  # made of something else: the page says of what
        for source in re.findall(r"\$\{(?:env|param):(\w+)|param:(\w+)", str(DEFAULTS[name])):
            assert f"`{source[0] or source[1]}`" in default
    else:
        assert default == shown(DEFAULTS[name])
    overridden = {stage: params[name] for stage, params in PARAMS.items() if name in params}
    assert stages == {
        stage: shown(value)
        for stage, value in overridden.items()
        if stage != "default" and value != DEFAULTS[name] and "${" not in str(value)
    }


def written(cell: str) -> tuple[str, dict[str, str]]:
    """A default as the page writes it, and the stages that differ: "30 (local 1, dev 7)"."""
    match = re.fullmatch(r"(.*?)(?: \((.*)\))?", cell)
    assert match
    stages = dict(pair.split(" ", 1) for pair in match[2].split(", ")) if match[2] else {}
    return match[1], stages


def shown(value: Any) -> str:
    if value == "":
        return "none"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if "@" in text else text


def test_every_environment_variable_is_documented() -> None:
    assert set(VARIABLES) == set(variables())


def variables() -> Iterator[str]:
    """Variables of the service's own that a user may set; not those of the tests alone."""
    for source in ("Makefile", "serverless.yml", "local", "handlers", "bench"):
        path = ROOT / source
        for file in [path] if path.is_file() else path.rglob("*.*"):
            if file.suffix in (".py", ".yml", ".js", ".sh", ""):
                yield from re.findall(r"\bSTEPWORKS_[A-Z_]+", file.read_text())


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        ("STEPWORKS_PORT", DEFAULT_PORT),
        ("STEPWORKS_WAIT_SCALE", DEFAULT_WAIT_SCALE),
        ("STEPWORKS_KEEP", DEFAULT_KEEP),
    ],
)
def test_a_variables_default_is_the_one_in_use(variable: str, default: float) -> None:
    assert VARIABLES[variable][1] == str(default)


def test_every_output_of_the_stack_is_documented() -> None:
    declared = [
        output
        for file in sorted((ROOT / "handlers").glob("*/*.yml"))
        if isinstance(content := yaml.load(file.read_text(), Keys), dict)
        for output in content.get("Outputs", {})
    ]

    assert sorted(code(cells[0]) for cells in table(PAGE, "output")) == sorted(declared)


class Keys(yaml.CSafeLoader):
    """YAML with any of CloudFormation's tags, whose values do not matter here."""


Keys.add_multi_constructor("!", lambda loader, tag, node: tag)
