"""Changed handlers on a running local AWS: a small stack that stands for the deployed service."""

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import process, redeploy_handlers
from local.aws import Aws
from local.settings import STACK, Settings

FUNCTIONS = ("first", "second")
KEY = "serverless/stepworks/local/1-2026-01-01T00:00:00.000Z/stepworks.zip"
ROLE = "arn:aws:iam::000000000000:role/any"
LIBRARY = "library.py"


def handler(name: str) -> str:
    return f"import library\n\ndef handler(event, context):\n    return [{name!r}, library.NAME]\n"


def function(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": f"stepworks-local-{name}",
            "Runtime": "python3.13",
            "Handler": f"handlers/{name}.handler",
            "Role": ROLE,
            "Code": {"S3Bucket": "deployments", "S3Key": KEY},
        },
    }


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").touch()
    for name in FUNCTIONS:
        (tmp_path / "handlers" / f"{name}.py").write_text(handler("old"))
    monkeypatch.setattr(redeploy_handlers, "ROOT", tmp_path)
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
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for path in sorted((checkout / "handlers").iterdir()):
            archive.write(path, f"handlers/{path.name}")
        archive.writestr(LIBRARY, 'NAME = "library"\n')
    aws.client("s3").create_bucket(Bucket="deployments")
    aws.client("s3").put_object(Bucket="deployments", Key=KEY, Body=package.getvalue())
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

    stored = aws.client("s3").get_object(Bucket="deployments", Key=KEY)
    running = aws.client("lambda").get_function_configuration(
        FunctionName=aws.function_name("first")
    )
    assert stored["Metadata"]["filesha256"] == running["CodeSha256"]
    with zipfile.ZipFile(io.BytesIO(stored["Body"].read())) as archive:
        assert archive.read("handlers/first.py").decode() == handler("new")
        names = [f"handlers/{name}.py" for name in ("__init__", *FUNCTIONS)]
        assert archive.namelist() == [*names, LIBRARY]
