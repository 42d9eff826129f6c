"""The limit of an execution's input."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import stepfunctions as sfn

from local.gaps import start_input_limit
from local.gaps.start_input_limit import MAX_BYTES

DONE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.fixture
def machine() -> Iterator[str]:
    _, _, body = sfn._create_state_machine(
        {
            "name": "input-limit",
            "definition": json.dumps(DONE),
            "roleArn": "arn:aws:iam::000000000000:role/r",
        }
    )
    arn = json.loads(body)["stateMachineArn"]
    yield arn
    sfn._delete_state_machine({"stateMachineArn": arn})


def document(size: int) -> str:
    """JSON of so many bytes in UTF-8, of which half are not ASCII."""
    filler = "é" * ((size - 2) // 4)
    return json.dumps(filler + "x" * (size - 2 - 2 * len(filler)), ensure_ascii=False)


def started(start: Any, machine: str, size: int) -> tuple[int, dict[str, Any]]:
    status, _, body = start({"stateMachineArn": machine, "input": document(size)})
    return status, json.loads(body)


def test_upstream_still_lacks_it(machine: str) -> None:
    """When this fails, ministack limits inputs: local/gaps/start_input_limit.py can go."""
    assert started(start_input_limit._start_upstream, machine, MAX_BYTES + 1)[0] == 200


def test_the_maximum_is_accepted(machine: str) -> None:
    assert started(start_input_limit.start_execution, machine, MAX_BYTES)[0] == 200


def test_a_byte_more_is_refused_with_the_limit(machine: str) -> None:
    status, error = started(start_input_limit.start_execution, machine, MAX_BYTES + 1)

    assert status == 400
    assert error["__type"] == "ValidationException"
    assert error["message"].endswith("less than or equal to 262144")


def test_escaped_characters_count_unescaped(machine: str) -> None:
    escaped = json.dumps(json.loads(document(MAX_BYTES)))
    assert len(escaped) > MAX_BYTES

    status, _, _ = start_input_limit.start_execution({"stateMachineArn": machine, "input": escaped})

    assert status == 200
