"""Other people's judges: statelint, asl-validator and cfn-lint on the packaged service."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import asl
from tests.support.packaged import ROOT, Package, text

ANY_ARN = f"arn:aws:lambda:{asl.REGION}:{asl.ACCOUNT}:function:any"


@pytest.fixture(scope="module")
def definitions(dev: Package, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Each packaged definition in a file, with ARNs where CloudFormation would put them."""
    folder = tmp_path_factory.mktemp("definitions")
    for machine, definition in dev.machines().items():
        packaged = json.dumps(definition)
        for name, value in asl.PSEUDO_PARAMETERS.items():
            packaged = packaged.replace(f"${{{name}}}", value)
        packaged = re.sub(r"\$\{[\w.]+\}", ANY_ARN, packaged)
        known = json.loads(packaged, object_hook=_as_statelint_knows_it)
        (folder / f"{machine}.json").write_text(json.dumps(known))
    return sorted(folder.iterdir())


# Fields of a distributed Map that statelint does not know. asl-validator does.
UNKNOWN_TO_STATELINT = {"Label", "InputType"}


def _as_statelint_knows_it(value: dict[str, Any]) -> dict[str, Any]:
    """It wants a decimal point, which JavaScript's JSON has no way to write for 2.0."""
    return {
        key: float(item) if key == "BackoffRate" else item
        for key, item in value.items()
        if key not in UNKNOWN_TO_STATELINT
    }


# A validator starts once for all files, because that takes it longer than a file. It names the
# file in which it finds something.
def validated(*command: str | Path) -> tuple[int, str]:
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return finished.returncode, (finished.stdout + finished.stderr).strip()


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_the_validators_know_every_machine(definitions: list[Path]) -> None:
    machines = [f"{name.title().replace('-', '')}StateMachine" for name in asl.machines()]

    assert [path.stem for path in definitions] == sorted(machines)


def test_statelint_finds_nothing(definitions: list[Path]) -> None:
    code, output = validated(tool("statelint"), *definitions)

    assert (code, output) == (0, "")


def test_asl_validator_finds_nothing(definitions: list[Path]) -> None:
    validator = str(ROOT / "node_modules" / ".bin" / "asl-validator")
    paths = (word for path in definitions for word in ("--json-path", path))
    code, output = validated(validator, *paths)

    assert code == 0, output


def test_cfn_lint_finds_nothing(dev: Package, prod: Package) -> None:
    name = "cloudformation-template-update-stack.json"
    # W3005: serverless-iam-roles-per-function says of each function what it depends on, twice.
    # E3601: does not know that a Succeed state may name its query language, as the plugin has it.
    options = ("--regions", "us-east-1", "--ignore-checks", "W3005", "E3601")
    templates = [package.directory / name for package in (dev, prod)]
    code, output = validated(tool("cfn-lint"), *options, "--", *templates)

    assert code == 0, output


def test_definitions_stay_below_the_quota(dev: Package) -> None:
    """1 MB: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
    machines: dict[str, dict[str, Any]] = dev.resources("AWS::StepFunctions::StateMachine")
    for name, properties in machines.items():
        assert len(text(properties["DefinitionString"])) < 2**20, name


def test_template_stays_below_the_quotas(dev: Package) -> None:
    """500 resources, 1 MB: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    assert len(dev.template["Resources"]) <= 500
    assert len(json.dumps(dev.template)) < 2**20
