"""The command that checks a stage, against the local AWS of this test run."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.aws import Aws, until
from local.settings import ROOT
from tests.conftest import RUN_DIRECTORY
from tests.docs.pages import code
from tests.support.checks import declared

# One of each workflow, and of each kind of thing that is made.
SOME = (
    *("api-unauthorised", "cookies-dead-letter", "error-names-of-sqs", "images-happy"),
    *("messages-failing", "sensor-failing", "signature-failing", "validation-error-string"),
)


def start(aws: Aws, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command as a person does, who has no test run."""
    environment = {name: value for name, value in os.environ.items() if name != RUN_DIRECTORY}
    return subprocess.Popen(
        [sys.executable, "-m", "ops", "verify", *arguments],
        cwd=ROOT,
        env=environment | {"STEPWORKS_PORT": str(aws.settings.port), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(aws: Aws, *arguments: str) -> tuple[int, str]:
    process = start(aws, *arguments)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def prefix_in(output: str) -> str:
    return re.findall(r"verify-[0-9a-f]{8}", output)[0]


def remains(aws: Aws, prefix: str) -> list[str]:
    """Where something of a run is: items, objects, and what has a name."""
    found = []
    for name, table in aws.resources("AWS::DynamoDB::Table").items():
        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        found += [name for page in pages if prefix in json.dumps(page["Items"], default=str)]
    for name, bucket in aws.resources("AWS::S3::Bucket").items():
        pages = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
        found += [name for page in pages if prefix in json.dumps(page, default=str)]
    listed: dict[str, Any] = {
        "machines": aws.client("stepfunctions").list_state_machines()["stateMachines"],
        "queues": aws.client("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls"),
        "roles": aws.client("iam").list_roles()["Roles"],
        "users": aws.client("iam").list_users()["Users"],
        "schedules": aws.client("scheduler").list_schedules()["Schedules"],
        "subscriptions": aws.client("sns").list_subscriptions()["Subscriptions"],
    }
    return found + [
        name for name, all_ in listed.items() if prefix in json.dumps(all_, default=str)
    ]


@pytest.mark.timeout(280)
def test_checks_run_count_and_leave_nothing_behind(aws: Aws, tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    chosen = [word for name in SOME for word in ("--check", name)]

    status, output = run(aws, *chosen, "--report", str(page))

    rows = [line.split("|")[1:3] for line in page.read_text().splitlines() if "| `" in line]
    outcomes = {code(name.strip()): outcome.strip() for name, outcome in rows}
    expected = {
        name: "only on AWS" if any(check.only_on_aws) else "passed"
        for name, check in declared().items()
        if name in SOME
    }
    assert outcomes == expected, output
    assert status == 0, output
    assert "8 checks: 6 passed, 2 only on AWS, 0 not run, 0 failed" in output
    assert "USD" in output
    assert remains(aws, prefix_in(output)) == []


@pytest.mark.timeout(280)
def test_ctrl_c_leaves_nothing_behind(aws: Aws) -> None:
    process = start(aws, "--check", "sensor-happy", "--check", "messages-happy")
    assert process.stdout
    prefix = prefix_in(process.stdout.readline())
    # Its file is uploaded, and soon moved.
    places = (
        (aws.outputs["SensorSourceBucket"], prefix),
        (aws.outputs["SensorTargetBucket"], f"processed/{prefix}"),
    )
    versions = aws.client("s3").list_object_versions
    until(
        "the file of a check",
        lambda: any(versions(Bucket=bucket, Prefix=key).get("Versions") for bucket, key in places),
    )

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 130, output
    assert "interrupted" in output
    assert remains(aws, prefix) == []


def test_a_check_that_there_is_not_is_no_success(aws: Aws) -> None:
    status, output = run(aws, "--check", "no-such-check")

    assert status == 1
    assert re.search(r"no-such-check\s+not run", output)


def test_every_check_is_collected(aws: Aws) -> None:
    status, output = run(aws, "--list")

    assert status == 0
    assert sorted(output.split()) == sorted(declared())
