"""A function's process after an exception."""

import pytest
from ministack.core import lambda_runtime

from local.gaps import lambda_environments
from tests.integration.local.functions import Functions

COUNTS = """
    import os

    calls = []

    def handler(event, context):
        calls.append(event)
        if event == "raise":
            raise ValueError("it broke")
        if event == "exit":
            os._exit(1)
        return {"process": os.getpid(), "calls": len(calls)}
"""


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    script = lambda_environments.worker_script()
    monkeypatch.setattr(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)
    monkeypatch.setattr(lambda_runtime.Worker, "invoke", lambda_environments.invoke)


def test_upstream_still_ends_the_process_after_an_exception(functions: Functions) -> None:
    """When this fails, ministack keeps the process: lambda_environments.py can go."""
    arn = functions.create(COUNTS)
    first = functions.call(arn)["body"]["process"]
    functions.call(arn, "raise")

    assert functions.call(arn)["body"]["process"] != first


@pytest.mark.usefixtures("filled")
def test_the_process_and_its_globals_remain_after_an_exception(functions: Functions) -> None:
    arn = functions.create(COUNTS)
    first = functions.call(arn)["body"]
    raised = functions.call(arn, "raise")
    after = functions.call(arn)["body"]

    assert raised["error"]
    assert raised["body"]["errorMessage"] == "it broke"
    assert "Traceback" in raised["log"]
    assert after == {"process": first["process"], "calls": first["calls"] + 2}


@pytest.mark.usefixtures("filled")
def test_a_process_that_ended_is_replaced(functions: Functions) -> None:
    arn = functions.create(COUNTS)
    first = functions.call(arn)["body"]
    ended = functions.call(arn, "exit")
    after = functions.call(arn)["body"]

    assert ended["body"]["errorMessage"] == "Worker process died"
    assert after["calls"] == 1
    assert after["process"] != first["process"]


@pytest.mark.usefixtures("filled")
def test_an_exception_while_importing_ends_the_process(functions: Functions) -> None:
    arn = functions.create("raise ValueError('not configured')")

    assert functions.call(arn)["error"]
    assert functions.call(arn)["body"]["errorMessage"] == "Worker init failed: not configured"


def test_a_worker_that_is_written_otherwise_is_no_surprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_environments, "_script_upstream", "print('rewritten')")

    with pytest.raises(RuntimeError, match="no longer writes"):
        lambda_environments.worker_script()
