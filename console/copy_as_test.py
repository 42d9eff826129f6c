"""A run as a pytest case that needs none of the run's resources.

For each state that the run visited, the test gives the state's definition, the recorded input and
the recorded result of its task to TestState, and compares what follows and the output. So it
passes when pasted, on AWS and on the local AWS.

https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
"""

import json
import re
from pprint import pformat
from typing import Any

from console.definition import Definition
from console.history import CAUGHT, FAILED, SUCCEEDED, History, Visit
from console.redaction import Redaction

MOST_STATES = 60
_TESTED = ("Pass", "Choice", "Succeed", "Fail", "Task")
# What a state makes of these differs in each run.
_CHANGING = ("States.UUID", "States.MathRandom", "$$.State", "$$.Task", "$uuid", "$now", "$millis")

_TEMPLATE = '''"""The path of the run {name}, state by state. Copied from the console.

It needs `pytest`, `boto3`, and credentials for states:TestState.
"""

import json
import os

import boto3
import pytest
from botocore.config import Config

# AWS has TestState at `sync-states.…`; a local AWS has one address for everything.
CONFIG = Config(inject_host_prefix="AWS_ENDPOINT_URL" not in os.environ)

CONTEXT = {context}

# State, its definition, the run's input of it, the result of its task, and what must follow.
STATES = {states}


@pytest.mark.parametrize(
    ("state", "definition", "given", "mock", "expected"), STATES, ids=[row[0] for row in STATES]
)
def test_{function}(state, definition, given, mock, expected):
    call = {{"mock": mock}} if mock else {{}}

    answer = boto3.client("stepfunctions", config=CONFIG).test_state(
        definition=json.dumps(definition),
        input=json.dumps(given),
        context=json.dumps(CONTEXT),
        inspectionLevel="INFO",
        **call,
    )

    found = {{name: answer.get(name) for name in expected}}
    if "output" in expected:
        found["output"] = json.loads(answer["output"])
    assert found == expected
'''


def of(
    redaction: Redaction, name: str, arn: str, definition: Definition, history: History
) -> dict[str, str]:
    """Name of the file, and the code."""
    rows: list[list[Any]] = []
    for visit in history.visits:
        row = _row(visit)
        if row is not None and row not in rows and len(rows) < MOST_STATES:
            rows.append(row)
    context = {"Execution": {"Id": arn, "Name": name, "Input": _value(history.input)}}
    function = re.sub(r"\W+", "_", name).strip("_").lower()[:60] or "run"
    code = _TEMPLATE.format(
        name=name.replace('"', "'").replace("\\", "/"),
        function=function,
        context=_literal(redaction.clean(context)),
        states=_literal(redaction.clean(rows)),
    )
    return {"name": f"test_{function}.py", "code": code}


def _row(visit: Visit) -> list[Any] | None:
    """A case, or None for a state that cannot be tested alone."""
    node = visit.node
    if node.type not in _TESTED or visit.open or visit.input is None:
        return None
    if node.type != "Task" and any(word in json.dumps(node.definition) for word in _CHANGING):
        return None
    mock: dict[str, Any] | None = None
    if node.type == "Task":
        last = visit.attempts[-1] if visit.attempts else None
        if last is not None and last.status == SUCCEEDED and last.output is not None:
            mock = {"result": last.output}
        elif last is not None and last.status == FAILED and visit.status == CAUGHT:
            mock = {"errorOutput": {"error": last.error or "", "cause": last.cause or ""}}
        else:
            return None
    expected: dict[str, Any] = {"status": "CAUGHT_ERROR" if visit.status == CAUGHT else "SUCCEEDED"}
    if node.type == "Fail":
        expected = {"status": "FAILED", "error": visit.error}
    elif visit.output is None:
        return None
    else:
        expected["output"] = _value(visit.output)
        following = visit.inside.visits[visit.inside.visits.index(visit) + 1 :]
        expected["nextState"] = following[0].node.name if following else None
    definition = {key: value for key, value in node.definition.items() if key != "Comment"}
    # A retry would come first: the error of the last attempt is the one that was caught.
    definition.pop("Retry", None)
    return [node.name, definition, _value(visit.input), mock, expected]


def _value(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text


def _literal(value: Any) -> str:
    return pformat(value, width=96, sort_dicts=False)
