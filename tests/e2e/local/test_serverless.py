"""The command line as a person uses it: what it refuses, and what it runs."""

import json
import os
import subprocess

import pytest

from local import deploy
from local.aws import Aws
from local.errors import LocalError
from local.settings import ROOT


def serverless(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run(
        [str(ROOT / "node_modules" / ".bin" / "serverless"), *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("stage", "environment", "message"),
    [
        ("local", {}, "AWS_ENDPOINT_URL is not set"),
        ("dev", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Unset AWS_ENDPOINT_URL"),
        ("dev", {}, "set STEPWORKS_EMAIL_FROM"),
    ],
    ids=["local to an account", "an account's to the local AWS", "no sender of mails"],
)
def test_a_deployment_to_the_wrong_place_is_refused(
    stage: str, environment: dict[str, str], message: str
) -> None:
    result = serverless("deploy", "--stage", stage, **environment)

    assert result.returncode == 1
    assert message in result.stdout + result.stderr
    assert "at StepworksPlugin" not in result.stdout + result.stderr


def test_process_file_runs_in_this_process_on_a_sample_event(aws: Aws) -> None:
    sample = json.loads((ROOT / "events" / "sensor" / "process-file.json").read_text())
    source = sample["source"]
    aws.client("s3").put_object(
        Bucket=source["bucketName"],
        Key=source["objectKey"],
        Body=(ROOT / "events" / "sensor" / "sensor_sample.csv").read_bytes(),
    )

    result = serverless(
        *("invoke", "local", "-f", "processFile", "-p", "events/sensor/process-file.json"),
        **aws.settings.client_environment(),
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert '"stored": 7' in result.stdout
    assert '"duplicates": 1' in result.stdout


def test_a_failed_deployment_says_why(aws: Aws) -> None:
    with pytest.raises(LocalError, match=r"failed: .*noSuchFunction") as failed:
        deploy.run_serverless(aws.settings, "deploy", "function", "-f", "noSuchFunction")

    assert "Its whole output: .stepworks" in str(failed.value)


def test_an_unchanged_service_is_not_deployed_again(aws: Aws) -> None:
    assert deploy.deploy(aws.settings) is deploy.Outcome.UNCHANGED
