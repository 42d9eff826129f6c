"""The promises of the cookies workflow: docs/workflows/cookies.md, "When it fails"."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from faults import stack
from faults.address import Call, Fault
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts
from faults.world import World
from tests.support import asl

BUCKET, QUEUE = stack.bucket("CookiesBucket"), "CookiesDeadLetterQueue"
MACHINE = "stepworks-local-cookies"
NAMES = ["Ada Lovelace", "Ada Lovelace"]  # names may repeat
_NO_EXECUTION = f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:execution:{MACHINE}:none"
# One reader, so that the calls have an order.
_OPTIONS = (("handlers.cookies.report", "_READERS", 1),)
_EXPECTED = {
    "counted": "SUCCEEDED",
    "people fail": "PeopleNotProcessedError",
    "no names": "InvalidRequestError",
    "not started": None,
    "not confirmed": "TaskNotCompletedError",
    "no token": None,
    "no task": None,
}


def _put(detail_type: str, detail: dict[str, Any]) -> Callable[[World], None]:
    return lambda world: world.timeline.after(
        0, lambda: world.buses.publish("project", detail_type, detail)
    )


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    executions = world.machines.executions(MACHINE)
    letters, scenario = world.queues.of(QUEUE), world.case.scenario
    starts = [e for e in world.buses.events if e["detail-type"] == "start"]
    if len(executions) > len(starts):
        yield f"{len(executions)} executions for {len(starts)} events"
    if not executions and starts and not letters and not lasts(world):
        yield "no execution was started, and the dead-letter queue does not say so"
    if scenario in ("no token", "no task") and not letters and not lasts(world):
        yield "the event is not in the dead-letter queue"
    for execution in executions:
        yield from _broken_by(execution, world)
    if not lasts(world) and not _comes_too_late(world):
        ended = executions[0].error or executions[0].status if executions else None
        if ended != _EXPECTED[scenario]:
            yield f"it ended with {ended}"
        if scenario == "counted" and letters:
            yield f"the dead-letter queue has {len(letters)} letters"


def _broken_by(execution: Any, world: World) -> Iterator[str]:
    ended = execution.error or execution.status
    folder = f"{execution.name}/"
    files = {
        key.removeprefix(folder): json.loads(world.read(BUCKET, key))
        for key in world.keys(BUCKET)
        if key.startswith(folder)
    }
    report = files.get("0-cookies.json")
    if ended in ("SUCCEEDED", "PeopleNotProcessedError"):
        if report is None or report.get("failure"):
            yield f"the execution ended with {ended}, and there is no report"
            return
        yield from _broken_by_report(report, files)
        if bool(report["failed"]) != (ended == "PeopleNotProcessedError"):
            yield f"the execution ended with {ended}, and the report has {report['failed']}"
    elif report is None:
        if not lasts(world) and not _comes_too_late(world):
            yield f"the execution ended with {ended}, and there is no report about it"
    elif not report.get("failure"):
        # The report was made, but its completion did not arrive in time.
        yield from _broken_by_report(report, files)
    if ended == "SUCCEEDED" and report:
        output = execution.output
        if output["totalCookiesConsumed"] != report["totalCookiesConsumed"]:
            yield "the execution's output and the report differ"


def _broken_by_report(report: Any, files: dict[str, Any]) -> Iterator[str]:
    failed = {person["n"] for person in report["failed"]}
    counted = {n: _final(files, n) for n in range(len(NAMES)) if n not in failed}
    if None in counted.values():
        yield f"the report counts people who have no file: {counted}"
    elif report["totalCookiesConsumed"] != sum(filter(None, counted.values())):
        yield f"the report has {report['totalCookiesConsumed']}, the files {counted}"
    people = report["names"] + [person["name"] for person in report["failed"]]
    if sorted(people) != sorted(NAMES) or len(failed) != len(report["failed"]):
        yield f"the report has the people {people}"
    if report["numberOfPeople"] != len(report["names"]):
        yield f"the report has {report['numberOfPeople']} people"


def _final(files: dict[str, Any], n: int) -> int | None:
    found = files.get(f"final-{n}-ada-lovelace.json")
    return int(found["numberOfCookiesConsumed"]) if found else None


def _comes_too_late(world: World) -> bool:
    """An event that a fault delays beyond the end of its task."""
    return any(
        fault.call.is_delivery and fault.kind in (Kind.LATE, Kind.TOO_LATE)
        for fault in world.case.faults
    )


def _given(caller: str, operation: str, kind: Kind = Kind.UNAVAILABLE) -> tuple[Fault, ...]:
    return (Fault(Call(caller, 1, operation), kind, Times.EVER),)


_START = _put("start", {"names": NAMES})
_FAILURE = _given("postProcessSingle", "s3:PutObject", Kind.DENIED)

WORKFLOW = Workflow(
    "cookies",
    (
        Scenario("counted", _START, options=_OPTIONS),
        Scenario(
            "people fail",
            _START,
            _FAILURE,
            only=(
                "reportTaskFailure",
                "task-finisher/Fail Task",
                "queue:CookiesTaskFailureQueue",
                "postProcessAll",
            ),
            options=_OPTIONS,
        ),
        Scenario("no names", _put("start", {"count": -1}), options=_OPTIONS),
        Scenario(
            "not started",
            _START,
            _given("cookies-starter/Start Execution", "sfn:StartExecution"),
            options=_OPTIONS,
        ),
        Scenario(
            "not confirmed",
            _START,
            _given("task-finisher/Complete Task", "sfn:SendTaskSuccess"),
            only=("task-finisher/Record Event", "cookies/Report Failure"),
            options=_OPTIONS,
        ),
        Scenario("no token", _put("task.finished", {"execution": _NO_EXECUTION})),
        Scenario("no task", _put("task.get.multiple", {"execution": _NO_EXECUTION})),
    ),
    broken,
)
