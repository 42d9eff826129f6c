"""The packaged service: what `serverless package` makes of it and AWS would get."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NewType

from local.locks import one_at_a_time

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_SECONDS = 300


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, its lists flattened, its references as `${LogicalId}` text."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    effect: str
    conditions: dict[str, Any]


class Package:
    """A stage's package in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @cached_property
    def template(self) -> dict[str, Any]:
        path = self.directory / "cloudformation-template-update-stack.json"
        loaded: dict[str, Any] = json.loads(path.read_text())
        return loaded

    @property
    def archives(self) -> dict[str, Path]:
        """The zip of each function, by the function's key."""
        return {path.stem: path for path in sorted(self.directory.glob("*.zip"))}

    def names(self) -> dict[str, list[str]]:
        """The names of the files in each function's zip."""
        return {key: _names(path) for key, path in self.archives.items()}

    def byte_code(self) -> list[bytes]:
        """How each file with byte code begins, in all zips: 16 bytes (PEP 552)."""
        return [header for path in self.archives.values() for header in _byte_code(path)]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties by logical id of every resource of a type such as `AWS::S3::Bucket`."""
        return {
            name: resource.get("Properties", {}) for name, resource in self.all_of(kind).items()
        }

    def all_of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Whole resources by logical id: DependsOn and policies, too."""
        return {
            name: resource
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def machines(self) -> dict[str, dict[str, Any]]:
        """Definitions by logical id; references in them as `${LogicalId.Arn}` text."""
        machines = self.resources("AWS::StepFunctions::StateMachine")
        return {
            name: _definition(properties["DefinitionString"])
            for name, properties in machines.items()
        }

    def statements(self, role: str) -> list[Statement]:
        """What a role allows or denies, by its logical id."""
        properties = self.template["Resources"][role]["Properties"]
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        return [
            Statement(
                tuple(as_list(statement["Action"])),
                tuple(text(resource) for resource in as_list(statement["Resource"])),
                statement["Effect"],
                statement.get("Condition", {}),
            )
            for document in documents
            for statement in document["Statement"]
        ]

    def role_of(self, properties: dict[str, Any]) -> str:
        """The logical id of the role of a function or a machine."""
        reference = properties.get("Role") or properties["RoleArn"]
        return str(reference["Fn::GetAtt"][0])


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _byte_code(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pyc"):
                with archive.open(name) as compiled:
                    yield compiled.read(16)


# A package with other values of parameters. The rules are about packages without them.
ChangedPackage = NewType("ChangedPackage", Package)


def package(stage: str, directory: Path, **parameters: str) -> Package:
    """Package a stage, as `serverless deploy` would before it uploads anything."""
    if not (directory / "serverless-state.json").exists():
        run_package(stage, directory, parameters)
    return Package(directory)


def run_package(
    stage: str,
    directory: Path,
    parameters: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Package a stage; returns the output."""
    overrides = [f"--param={name}={value}" for name, value in (parameters or {}).items()]
    with one_at_a_time("serverless"):  # every run writes to the folder `.serverless`
        finished = subprocess.run(
            [
                str(ROOT / "node_modules" / ".bin" / "serverless"),
                *("package", "--stage", stage, "--package", str(directory), *overrides),
            ],
            cwd=ROOT,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
                "STEPWORKS_EMAIL_FROM": "stepworks@example.com",
                "STEPWORKS_EMAIL_TO": "operator@example.com",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=PACKAGE_SECONDS,
            check=False,
        )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def text(value: Any) -> str:
    """A CloudFormation value as text, references as `${LogicalId}` or `${LogicalId.Attribute}`."""
    if not isinstance(value, dict):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Ref":
        return f"${{{argument}}}"
    if function == "Fn::GetAtt":
        return f"${{{argument if isinstance(argument, str) else '.'.join(argument)}}}"
    if function == "Fn::Join":
        return str(argument[0]).join(text(part) for part in argument[1])
    if function == "Fn::Sub":
        pattern, variables = argument if isinstance(argument, list) else (argument, {})
        for name, variable in variables.items():
            pattern = pattern.replace(f"${{{name}}}", text(variable))
        return str(pattern)
    raise ValueError(f"no text for {function}")


def every_statement(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement anywhere in the template, with its resource's logical id."""

    def statements_in(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "Effect" in value and ("Action" in value or "NotAction" in value):
                yield value
            for item in value.values():
                yield from statements_in(item)
        elif isinstance(value, list):
            for item in value:
                yield from statements_in(item)

    for name, resource in template["Resources"].items():
        for statement in statements_in(resource):
            yield name, statement


def _definition(value: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(text(value))
    return loaded


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
