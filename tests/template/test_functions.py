"""Every function of the packaged service."""

import os
import re
import sys
from importlib.util import source_from_cache
from pathlib import Path

import pytest

from tests.support import asl, packaged
from tests.support.packaged import Package, text

FUNCTION = "AWS::Lambda::Function"
# How byte code begins: https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_magic_number.h
MAGIC_NUMBERS = {"python3.11": 3495, "python3.12": 3531, "python3.13": 3571, "python3.14": 3627}
ASYNC_PRINCIPALS = {"s3.amazonaws.com", "sns.amazonaws.com", "events.amazonaws.com"}


def magic_numbers(package: Package) -> set[int]:
    return {int.from_bytes(compiled[:2], "little") for compiled in package.byte_code()}


def test_every_function_has_a_role_of_its_own(dev: Package) -> None:
    roles = [dev.role_of(properties) for properties in dev.resources(FUNCTION).values()]

    assert len(set(roles)) == len(roles)
    assert "IamRoleLambdaExecution" not in dev.template["Resources"]  # the framework's shared one


def test_every_role_is_used(dev: Package) -> None:
    template = str(dev.template["Resources"]) + str(dev.template["Outputs"])

    for role in dev.resources("AWS::IAM::Role"):
        assert f"['{role}', 'Arn']" in template, f"{role} is used by nothing"


def test_every_function_has_a_log_group_with_a_retention(dev: Package) -> None:
    groups = {
        properties["LogGroupName"]: properties.get("RetentionInDays", 0)
        for properties in dev.resources("AWS::Logs::LogGroup").values()
    }

    for properties in dev.resources(FUNCTION).values():
        assert groups[f"/aws/lambda/{properties['FunctionName']}"] > 0
    assert all(groups.values())


def test_every_function_has_a_description_an_architecture_and_a_short_name(dev: Package) -> None:
    for properties in dev.resources(FUNCTION).values():
        assert properties["Description"]
        assert properties["Architectures"] == ["arm64"]
        assert len(properties["FunctionName"]) <= 64


def test_every_traced_function_may_write_its_traces(dev: Package) -> None:
    """Lambda refuses to create a traced function whose role may not."""
    for properties in dev.resources(FUNCTION).values():
        allowed = {
            action
            for statement in dev.statements(dev.role_of(properties))
            for action in statement.actions
        }
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert {"xray:PutTraceSegments", "xray:PutTelemetryRecords"} <= allowed


def test_every_task_waits_longer_than_its_function_runs(dev: Package) -> None:
    """A task waits longer than its function may run, or the function's own error is lost."""
    timeouts = {
        properties["FunctionName"].rpartition("-")[2]: properties["Timeout"]
        for properties in dev.resources(FUNCTION).values()
    }

    for state in asl.all_states():
        if state.function and not state.waits_for_token:
            assert state.body["TimeoutSeconds"] > timeouts[state.function], str(state)


def test_every_asynchronous_function_has_a_failure_destination(dev: Package) -> None:
    called = {
        text(properties["FunctionName"]).removesuffix(".Arn}") + "}"
        for properties in dev.resources("AWS::Lambda::Permission").values()
        if properties["Principal"] in ASYNC_PRINCIPALS
    }
    covered = {
        text(properties["FunctionName"])
        for properties in dev.resources("AWS::Lambda::EventInvokeConfig").values()
        if properties["DestinationConfig"]["OnFailure"]["Destination"]
    }
    names = {
        f"${{{logical_id}}}": properties["FunctionName"]
        for logical_id, properties in dev.resources(FUNCTION).items()
    }

    assert called
    assert {names.get(name, name) for name in called} <= {names.get(name, name) for name in covered}


def test_a_functions_failure_destination_is_one_its_role_may_send_to(dev: Package) -> None:
    functions = {
        reference: properties
        for logical_id, properties in dev.resources(FUNCTION).items()
        for reference in (f"${{{logical_id}}}", properties["FunctionName"])
    }
    for configuration in dev.resources("AWS::Lambda::EventInvokeConfig").values():
        function = functions[text(configuration["FunctionName"])]
        destination = text(configuration["DestinationConfig"]["OnFailure"]["Destination"])
        allowed = [
            statement
            for statement in dev.statements(dev.role_of(function))
            if {"sqs:SendMessage", "sns:Publish"} & set(statement.actions)
        ]

        assert any(destination in statement.resources for statement in allowed)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\.so$",
        r"\.(dll|pyd|dylib)$",
        r"^(boto3|botocore|pytest|moto|ministack|tests|local)/",
        r"faker/.*/(de_DE|ja_JP)/",
        r"swagger",
    ],
    ids=[
        "compiled for Linux",
        "compiled for others",
        "of no use in a Lambda",
        "other languages",
        "a page for people",
    ],
)
def test_package_has_no_foreign_files(dev: Package, pattern: str) -> None:
    for key, files in dev.names().items():
        assert [name for name in files if re.search(pattern, name)] == [], key


def test_every_function_has_a_package_of_its_own(dev: Package) -> None:
    keys = {
        properties["FunctionName"].rpartition("-")[2]: Path(properties["Code"]["S3Key"]).stem
        for properties in dev.resources(FUNCTION).values()
    }

    assert all(function == package for function, package in keys.items())
    assert set(keys) == set(dev.archives)


def test_byte_code_in_a_package_is_valid_whatever_the_time_of_its_source(dev: Package) -> None:
    """A zip has no true times: by time, all is compiled anew at every cold start (PEP 552)."""
    unchecked_hash = 0b01
    compiled = dev.byte_code()

    assert compiled
    assert {int.from_bytes(content[4:8], "little") for content in compiled} == {unchecked_hash}


def test_every_module_in_a_package_has_byte_code(dev: Package) -> None:
    for key, files in dev.names().items():
        modules = {name for name in files if name.endswith(".py")}
        compiled = {source_from_cache(name) for name in files if name.endswith(".pyc")}
        assert modules == compiled, key


def test_the_runtime_is_the_python_that_packaged_and_tests(dev: Package) -> None:
    runtimes = {properties["Runtime"] for properties in dev.resources(FUNCTION).values()}

    assert runtimes == {f"python{sys.version_info.major}.{sys.version_info.minor}"}


def test_byte_code_in_the_package_is_that_of_the_runtime(dev: Package) -> None:
    (runtime,) = {properties["Runtime"] for properties in dev.resources(FUNCTION).values()}

    assert magic_numbers(dev) == {MAGIC_NUMBERS[runtime]}


def test_byte_code_of_no_runtime_is_left_out_with_a_warning(tmp_path: Path) -> None:
    """A Python that is newer than Lambda's: one that says so and is this one otherwise."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(
        f"""#!/bin/sh
case "$2" in
  *version_info*) echo 3.99 ;;
  *) exec {sys.executable} "$@" ;;
esac
"""
    )
    python.chmod(0o755)
    environment = {
        "VIRTUAL_ENV": str(tmp_path),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }

    package = Package(tmp_path / "package")

    output = packaged.run_package("dev", package.directory, environment=environment)

    assert magic_numbers(package) == set()
    assert {properties["Runtime"] for properties in package.resources(FUNCTION).values()} == {
        "python3.14"
    }
    assert "Python 3.99 is not a Lambda runtime" in output


def test_packages_are_small(dev: Package) -> None:
    """Lambda loads the whole package before a cold start imports anything."""
    for key, path in dev.archives.items():
        assert path.stat().st_size < 2 * 2**20, key
