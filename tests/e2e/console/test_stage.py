"""The console of a stage, as `make console STAGE=dev` starts it."""

from collections.abc import Callable
from typing import Any

import pytest

from local.aws import Deployment
from tests.e2e.console.conftest import Client, run_id


@pytest.mark.check("console")
def test_the_console_shows_the_stage_and_changes_nothing(
    aws: Deployment, alone: Callable[..., Client]
) -> None:
    execution = aws.client("stepfunctions").start_execution(
        stateMachineArn=aws.outputs["SignatureStateMachineArn"],
        name=aws.name(),
        input='{"documentId": "not valid"}',
    )["executionArn"]
    ended = aws.wait_for_end(execution)
    console = alone("--stage", aws.stage)

    stack: dict[str, Any] = console.get("stack")
    assert (stack["name"], stack["hasEventLog"], stack["writable"]) == (aws.stack, True, False)
    machines = {arn for name, arn in aws.outputs.items() if name.endswith("StateMachineArn")}
    assert machines <= {one["arn"] for one in stack["workflows"]}
    shown = console.run(execution)["run"]
    assert (shown["status"], shown["error"]) == ("FAILED", ended["error"])
    assert console.get("architecture")
    assert console.post(f"runs/{run_id(execution)}/rerun").status == 403
