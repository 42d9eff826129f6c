"""ministack in this process, with or without the gaps filled."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ministack.services import stepfunctions as sfn

from tests.integration.local.functions import Functions

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Run a definition on ministack's own engine; returns the execution as it keeps it."""
    scale, sfn._SFN_WAIT_SCALE = sfn._SFN_WAIT_SCALE, 1.0
    created = []

    def run_definition(definition: dict[str, Any], input_: Any = None) -> dict[str, Any]:
        name = f"machine-{time.monotonic_ns()}"
        _, _, body = sfn._create_state_machine(
            {
                "name": name,
                "definition": json.dumps(definition),
                "roleArn": "arn:aws:iam::000000000000:role/r",
            }
        )
        arn = json.loads(body)["stateMachineArn"]
        created.append(arn)
        _, _, body = sfn._start_execution(
            {"stateMachineArn": arn, "input": json.dumps(input_ or {})}
        )
        execution: dict[str, Any] = sfn._executions[json.loads(body)["executionArn"]]
        deadline = time.monotonic() + 20
        while execution["status"] == "RUNNING" and time.monotonic() < deadline:
            time.sleep(0.02)
        return execution

    yield run_definition
    for arn in created:
        sfn._delete_state_machine({"stateMachineArn": arn})
    sfn._SFN_WAIT_SCALE = scale


@pytest.fixture
def functions() -> Iterator[Functions]:
    functions = Functions()
    yield functions
    functions.remove()
