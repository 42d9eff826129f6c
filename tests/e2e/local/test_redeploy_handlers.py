"""Changed handlers on a running local AWS: a small stack that stands for the deployed service."""

import compileall
import io
import json
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import process, redeploy_handlers
from local.aws import Aws
from local.settings import STACK, Settings
from plugins import packages

FUNCTIONS = ("first", "second")
FOLDER = "serverless/stepworks/local/1-2026-01-01T00:00:00.000Z"
ROLE = "arn:aws:iam::000000000000:role/any"


def handler(name: str) -> str:
    return f"import library\n\ndef handler(event, context):\n    return [{name!r}, library.NAME]\n"


def function(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": f"stepworks-local-{name}",
            "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "Handler": f"handlers/{name}.handler",
            "Role": ROLE,
            "Code": {"S3Bucket": "deployments", "S3Key": f"{FOLDER}/{name}.zip"},
        },
    }


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").touch()
    for name in FUNCTIONS:
        (tmp_path / "handlers" / f"{name}.py").write_text(handler("old"))
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "library.py").write_text('NAME = "library"\n')
    compileall.compile_dir(tmp_path / "requirements", quiet=1)
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.setattr(packages, "requirements", lambda: tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def aws(checkout: Path) -> Iterator[Aws]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(port=probe.getsockname()[1], wait_scale=0)
    process.start(settings)
    try:
        aws = Aws(settings)
        deploy(aws, checkout)
        yield aws
    finally:
        process.stop(settings)


def deploy(aws: Aws, checkout: Path) -> None:
    packages.build({name: f"handlers/{name}.handler" for name in FUNCTIONS}, checkout / "built")
    aws.client("s3").create_bucket(Bucket="deployments")
    for name in FUNCTIONS:
        aws.client("s3").put_object(
            Bucket="deployments",
            Key=f"{FOLDER}/{name}.zip",
            Body=(checkout / "built" / f"{name}.zip").read_bytes(),
        )
    template = {
        "Resources": {name: function(name) for name in FUNCTIONS},
        "Outputs": {"ServerlessDeploymentBucketName": {"Value": "deployments"}},
    }
    formation = aws.client("cloudformation")
    formation.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
    formation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def results(aws: Aws) -> list[Any]:
    return [aws.invoke(name, {}) for name in FUNCTIONS]


def test_functions_run_the_changed_code(aws: Aws, checkout: Path) -> None:
    assert results(aws) == [["old", "library"]] * 2  # so that their workers run
    for name in FUNCTIONS:
        (checkout / "handlers" / f"{name}.py").write_text(handler("new"))

    redeploy_handlers.update(aws)

    assert results(aws) == [["new", "library"]] * 2


def test_the_package_in_the_bucket_is_the_one_that_runs(aws: Aws, checkout: Path) -> None:
    """So that the framework sees the change, whoever deploys next."""
    (checkout / "handlers" / "first.py").write_text(handler("new"))

    redeploy_handlers.update(aws)

    stored = aws.client("s3").get_object(Bucket="deployments", Key=f"{FOLDER}/first.zip")
    running = aws.client("lambda").get_function_configuration(
        FunctionName=aws.function_name("first")
    )
    assert stored["Metadata"]["filesha256"] == running["CodeSha256"]
    with zipfile.ZipFile(io.BytesIO(stored["Body"].read())) as archive:
        assert archive.read("handlers/first.py").decode() == handler("new")
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        assert sources == ["handlers/__init__.py", "handlers/first.py", "library.py"]


def test_a_function_that_does_not_use_the_changed_code_keeps_running(
    aws: Aws, checkout: Path
) -> None:
    def versions() -> list[str]:
        functions = aws.client("lambda")
        return [
            functions.get_function_configuration(FunctionName=aws.function_name(name))["RevisionId"]
            for name in FUNCTIONS
        ]

    first, second = versions()
    (checkout / "handlers" / "first.py").write_text(handler("new"))

    redeploy_handlers.update(aws)

    changed, unchanged = versions()
    assert changed != first
    assert unchanged == second
