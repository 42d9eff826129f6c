"""Distributed Maps on moto's engine: the list that a Map reads, and its child executions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval.resource_eval_s3 import (  # noqa: E501
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError

from faults.virtual_time import Timeline

# Makes a call of a state: (environment of the engine, service, operation, act).
Perform = Callable[[Any, str, str, Callable[[], Any]], Any]


@dataclass(frozen=True)
class _Child:
    """A child execution that failed."""

    arn: str
    map_run: str
    stopped: datetime
    error: str
    cause: str


class MapRuns:
    """The child executions that failed, as Step Functions' API shows them."""

    def __init__(self) -> None:
        self._runs: dict[str, list[str]] = {}  # ARNs, by the execution that the Maps belong to
        self._failed: list[_Child] = []

    def begin(self, execution: str, map_run: str) -> None:
        runs = self._runs.setdefault(execution, [])
        if map_run not in runs:
            runs.append(map_run)

    def fail(self, map_run: str, at: datetime, error: str, cause: str) -> None:
        arn = f"{map_run.replace(':mapRun:', ':execution:')}:{len(self._failed)}"
        self._failed.append(_Child(arn, map_run, at, error, cause))

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "ListMapRuns":
                runs = self._runs.get(parameters["executionArn"], [])
                return {"mapRuns": [{"mapRunArn": arn} for arn in runs]}
            case "ListExecutions":
                found = [
                    {"executionArn": child.arn, "stopDate": child.stopped}
                    for child in self._failed
                    if child.map_run == parameters["mapRunArn"]
                    and parameters["statusFilter"] == "FAILED"
                ]
                return {"executions": found}
            case "DescribeExecution":
                (child,) = [c for c in self._failed if c.arn == parameters["executionArn"]]
                return {"status": "FAILED", "error": child.error, "cause": child.cause}
        raise AssertionError(f"Step Functions has no {operation} here")


@contextmanager
def on_a_timeline(
    timeline: Callable[[], Timeline],
    map_runs: Callable[[], MapRuns],
    perform: Callable[[], Perform],
) -> Iterator[None]:
    """A Map reads its list through `perform`, and fails with its first child, as on AWS.

    Then Step Functions aborts the other children. A function that one of them has called works on.
    """
    evaluate = DistributedItemProcessorWorker._eval_job
    running: dict[str, list[Any]] = {}

    def evaluate_child(worker: Any, env: Any, job: Any) -> None:
        map_run = worker._map_run_record.map_run_arn
        map_runs().begin(worker._map_run_record.execution_arn, map_run)
        siblings = running.setdefault(map_run, [])
        siblings.append(env)
        evaluate(worker, env, job)
        siblings.remove(env)
        state = env.program_state()
        if isinstance(state, ProgramError):
            now = datetime.fromtimestamp(timeline().now, UTC)
            error, cause = state.error.get("error", ""), state.error.get("cause", "")
            map_runs().fail(map_run, now, str(error), str(cause))
            for sibling in siblings:
                sibling.set_stop(stop_date=now, cause=None, error=None)
            job.job_output = failure(
                worker._env, StatesErrorNameType.StatesExceedToleratedFailureThreshold
            )

    def read(env: Any, *_: Any) -> None:
        location = env.stack.pop()

        def get() -> str:
            s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
            content: str = s3.get_object(location["Bucket"], location["Key"]).value.decode()
            return content

        env.stack.append(perform()(env, "s3", "GetObject", get))

    with (
        patch.object(DistributedItemProcessorWorker, "_eval_job", evaluate_child),
        patch.object(ResourceEvalS3, "_handle_get_object", staticmethod(read)),
    ):
        yield


def failure(env: Any, kind: StatesErrorNameType) -> Exception:
    """What fails a distributed Map."""
    name = StatesErrorName(kind)
    details = MapRunFailedEventDetails(error=name.error_name, cause="a fault")
    failed: Exception = FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.MapRunFailed,
            event_details=EventDetails(mapRunFailedEventDetails=details),
        )
    )
    return failed
