"""CloudWatch counts every invocation of a function, and those that failed."""

from typing import Any

import pytest
from ministack.services import cloudwatch, lambda_svc

from local.gaps import lambda_metrics
from tests.integration.local.functions import Functions

CODE = """
def handler(event, context):
    return 1 // event["divisor"]
"""
METRICS = ("Invocations", "Errors")


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_execute_function_warm", "_emit_lambda_metrics"):
        monkeypatch.setattr(lambda_svc, name, getattr(lambda_svc, name))
    monkeypatch.setattr(lambda_metrics, "_execute_upstream", lambda_metrics._execute_upstream)
    lambda_metrics.install()
    return


def sums(function: str) -> dict[str, float]:
    name = function.rpartition(":")[2]
    found: dict[str, float] = dict.fromkeys(METRICS, 0)
    for (namespace, metric, _), points in cloudwatch._metrics.items():
        for point in points:
            mine = point["Dimensions"] == {"FunctionName": name}
            if namespace == "AWS/Lambda" and metric in METRICS and mine:
                found[metric] += point["Value"]
    return found


@pytest.mark.usefixtures("filled")
def test_what_a_machine_invokes_is_counted(functions: Functions) -> None:
    function = functions.create(CODE)

    for divisor in (1, 0, 1):
        functions.call(function, {"divisor": divisor})

    assert sums(function) == {"Invocations": 3, "Errors": 1}


@pytest.mark.usefixtures("filled")
def test_an_invocation_is_counted_once(functions: Functions) -> None:
    function = functions.create(CODE)

    functions.call(function, {"divisor": 1})
    lambda_svc._emit_lambda_metrics(function.rpartition(":")[2], 5.0, False, False)

    assert sums(function) == {"Invocations": 1, "Errors": 0}


def test_a_refused_call_is_still_a_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    emitted: list[Any] = []
    monkeypatch.setattr(lambda_metrics, "_emit", lambda *arguments: emitted.append(arguments))

    lambda_metrics.emit_throttle("f", 0.0, False, True)

    assert emitted == [("f", 0.0, False, True)]


def test_upstream_still_counts_only_the_invoke_api(functions: Functions) -> None:
    """When this fails, ministack counts all invocations: lambda_metrics.py can go."""
    function = functions.create(CODE)

    functions.call(function, {"divisor": 1})

    assert sums(function) == {"Invocations": 0, "Errors": 0}
