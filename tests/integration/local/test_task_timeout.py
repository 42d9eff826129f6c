"""A Task's TimeoutSeconds begin with its function, not with its place in the queue."""

import threading
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

from local.gaps import lambda_workers, task_timeout
from local.gaps.lambda_queue import InvocationQueues
from tests.integration.local.conftest import Run
from tests.integration.local.functions import Functions

pytestmark = pytest.mark.slow

SLEEPING = """
    import time

    def handler(event, context):
        time.sleep(event["seconds"])
        return "slept"
"""


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker a function: the second call waits for the first."""
    monkeypatch.setattr(lambda_workers, "WORKERS", 1)
    monkeypatch.setattr(lambda_workers, "_queues", InvocationQueues(shared=0))
    monkeypatch.setattr(lambda_svc, "_execute_function", lambda_workers.execute_function)
    monkeypatch.setattr(lambda_svc, "acquire_worker", lambda_workers.acquire_worker)
    monkeypatch.setattr(
        lambda_runtime.Worker,
        "_spawn",
        lambda_workers.limit_starts(lambda_runtime.Worker._spawn),
    )


@pytest.fixture
def filled(queued: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sfn, "_invoke_resource_with_timeout", task_timeout.invoke_resource_with_timeout
    )


def machine(function: str, timeout: int) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": function, "TimeoutSeconds": timeout, "End": True}
    return {"StartAt": "Sleep", "States": {"Sleep": task}}


def two_at_once(run: Run, definition: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    ended: list[dict[str, Any]] = []

    def one() -> None:
        ended.append(run(definition, {"seconds": seconds}))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return ended


@pytest.mark.usefixtures("queued")
def test_upstream_still_counts_the_time_in_the_queue(run: Run, functions: Functions) -> None:
    """When this fails, look when ministack begins to count: task_timeout.py may go."""
    arn = functions.create(SLEEPING)

    ended = two_at_once(run, machine(arn, timeout=2), seconds=1.5)

    assert "States.Timeout" in {execution.get("error") for execution in ended}


@pytest.mark.usefixtures("filled")
def test_the_time_in_the_queue_does_not_count(run: Run, functions: Functions) -> None:
    arn = functions.create(SLEEPING)

    ended = two_at_once(run, machine(arn, timeout=2), seconds=1.5)

    assert [execution["status"] for execution in ended] == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.usefixtures("filled")
def test_the_start_of_the_process_does_not_count(run: Run, functions: Functions) -> None:
    arn = functions.create(
        f"import time\ntime.sleep(1.5)\n{SLEEPING.replace('    ', '')}".replace(
            "\ntime.sleep(event", "\n    time.sleep(event"
        ).replace("\nreturn", "\n    return")
    )

    assert run(machine(arn, timeout=1), {"seconds": 0})["status"] == "SUCCEEDED"


@pytest.mark.usefixtures("filled")
def test_a_function_that_takes_too_long_is_timed_out(run: Run, functions: Functions) -> None:
    arn = functions.create(SLEEPING)

    ended = run(machine(arn, timeout=1), {"seconds": 3})

    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")


@pytest.mark.usefixtures("filled")
def test_it_keeps_its_slot_until_it_ends(run: Run, functions: Functions) -> None:
    arn = functions.create(SLEEPING)
    run(machine(arn, timeout=1), {"seconds": 2})
    assert lambda_workers._queues._queues, "it still runs"

    assert functions.call(arn, {"seconds": 0})["body"] == "slept"

    assert functions.processes(arn) == 1


@pytest.mark.usefixtures("filled")
def test_a_function_that_cannot_start_fails_the_task(run: Run, functions: Functions) -> None:
    arn = functions.create("import no_such_module")

    ended = run(machine(arn, timeout=5), {})

    assert ended["status"] == "FAILED"
    assert "no_such_module" in ended["cause"]
