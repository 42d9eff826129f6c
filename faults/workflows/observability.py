"""The promises of the event log: docs/decisions/0056-an-event-log.md, "Failures"."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from faults import stack
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts
from faults.world import World
from tests.support import asl

TABLE, QUEUE, DEAD_LETTERS = "EventLogTable", "EventLogQueue", "EventLogDeadLetterQueue"
TOKEN = "AQC" + "a" * 80  # a task token: two events have it
REPORT = f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:execution:stepworks-{stack.STAGE}-cookies:one"
_MESSAGES = f"stepworks-{stack.STAGE}-messages"
_STATUS_CHANGE = "Step Functions Execution Status Change"
_AT_THE_END = 3 * 86_400.0
_NOT_AN_EVENT = "not an event"
_KEY = "key"  # the job of the item with the key for hashes


def _message(world: World) -> str:
    """A message, which starts an execution; the id of the event."""
    return world.buses.publish("com.devpost.commonevent", "message", {"message": "{}"}, _BUS)


_BUS = "MessagesBus"


def _change(world: World, name: str, status: str, **more: Any) -> None:
    """An execution of the messages workflow changes its status."""
    detail = {
        "executionArn": f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:execution:{_MESSAGES}:{name}",
        "stateMachineArn": stack.machine_arns()["MessagesStateMachine"],
        "name": name,
        "status": status,
        "startDate": round(world.timeline.started * 1000),
        **more,
    }
    world.buses.publish("aws.states", _STATUS_CHANGE, detail)


def _task(world: World, detail_type: str) -> None:
    """An event of a cookies execution, with a task token."""
    world.buses.publish(
        "project", detail_type, {"execution": REPORT, "TaskToken": TOKEN}, stack.cookies_bus()
    )


def _some_of_each_kind(world: World) -> None:
    """A message and its execution, and events of a cookies execution: two batches."""

    def first() -> None:
        world.people = _message(world)
        _change(world, world.people, "RUNNING")
        _task(world, "task.process.single")

    def second() -> None:
        _task(world, "task.finished")
        now = round(world.timeline.now * 1000)
        _change(world, world.people, "SUCCEEDED", stopDate=now)

    world.timeline.after(0, first)
    world.timeline.after(10, second)
    world.timeline.after(_AT_THE_END, lambda: _ask_for_jobs(world))


def _two_batches_at_once(world: World) -> None:
    """More events than a batch has: two functions need the key for hashes at the same time."""

    def put() -> None:
        for _ in range(12):
            _task(world, "task.process.single")

    world.timeline.after(0, put)


def _some_invalid(world: World) -> None:
    """In one batch: an event, what is no event, and an event that DynamoDB refuses."""

    def put() -> None:
        _message(world)
        world.queues.send(QUEUE, _NOT_AN_EVENT)
        # A sort key has at most 1,024 bytes.
        world.queues.send(QUEUE, json.dumps(world.buses.events[-1] | {"id": "x" * 2000}))

    world.timeline.after(0, put)


def _ask_for_jobs(world: World) -> None:
    context = {"requestContext": {"requestId": "r"}}
    world.functions.invoke("listJobs", context | {"queryStringParameters": {"limit": "10"}})
    for job in (f"{_MESSAGES}:{world.people}", f"event:{world.people}"):
        world.functions.invoke("getJob", context | {"pathParameters": {"id": job}})


def _executions(world: World) -> None:
    """One execution that waits for a callback and one that has failed, and questions about both."""
    world.machines.create("messages")
    arn = stack.machine_arns()["MessagesStateMachine"]
    for name, text in (("waiting", "{}"), ("failed", "{not JSON")):
        event = {"id": name, "time": "2026-11-22T10:00:00Z", "detail": {"message": text}}
        world.timeline.after(0, partial(world.machines.start, arn, name, event))
    world.timeline.after(_WAITED, lambda: world.functions.invoke("measureCallbacks", {}))
    for name in (*_STATUSES, "absent"):
        execution = f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
        request = {"pathParameters": {"executionArn": execution}, "requestContext": {}}
        world.timeline.after(_WAITED, partial(world.functions.invoke, "getExecution", request))


_WAITED = 20.0  # seconds
_STATUSES = {"waiting": "RUNNING", "failed": "FAILED"}


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    events = {event["id"]: event for event in world.buses.events}
    items = [item for item in world.items(TABLE) if item["job"]["S"] != _KEY]
    recorded = Counter(i["eventId"]["S"] for i in items if i["entry"]["S"].startswith("event#"))
    letters = world.queues.messages.get(DEAD_LETTERS, [])
    dead = Counter(json.loads(letter)["id"] for letter in letters if letter != _NOT_AN_EVENT)
    for event_id in events:
        if not recorded[event_id] and not dead[event_id]:
            yield "an event is neither recorded nor in the dead-letter queue"
        if recorded[event_id] > 1:
            yield f"an event is recorded {recorded[event_id]} times"
        if dead[event_id] > _deliveries(world):
            yield f"an event is in the dead-letter queue {dead[event_id]} times"
        if dead[event_id] and not lasts(world):
            yield "an event is in the dead-letter queue, although a retry helps"
    if stray := set(recorded) - set(events):
        yield f"the log has what was never an event: {stray}"
    invalid = letters.count(_NOT_AN_EVENT) + len(set(dead) - set(events))
    if invalid != (2 if world.case.scenario == "some invalid" else 0):
        yield f"the dead-letter queue has {invalid} invalid messages"
    yield from _broken_by_items(items, events)
    yield from _broken_by_summaries(world, items, events, complete=not dead)
    yield from _broken_by_responses(world, items)
    yield from _broken_about_executions(world)


def _broken_about_executions(world: World) -> Iterator[str]:
    """What is said of executions is so, or it is an error that says so."""
    for function, request, result in world.functions.results:
        once = all(fault.times is Times.ONCE for fault in world.case.faults)
        killed = any("killed" in fault.kind for fault in world.case.faults)
        if function == "measureCallbacks":
            if result.error and once and not killed:
                yield f"the callbacks were not measured: {result.error}"
            ages = list(result.payload.values()) if result.error is None else []
            if any(abs(age - _WAITED) > _TOLERANCE for age in ages):
                yield f"the oldest callback is said to be {ages} s old"
        elif function == "getExecution" and result.error is None:
            name = request["pathParameters"]["executionArn"].rpartition(":")[2]
            status, body = result.payload["statusCode"], json.loads(result.payload["body"])
            denied = any(fault.kind is Kind.DENIED for fault in world.case.faults)
            if status == 503 and once:
                yield "getExecution responds with 503, although the SDK's retry helps"
            if status == 404 and name in _STATUSES and not denied:
                yield f"getExecution says that there is no execution {name}"
            if status == 200 and body["status"] != _STATUSES.get(name):
                yield f"getExecution says that the execution {name} is {body['status']}"
            if status not in (200, 404, 503):
                yield f"getExecution responds with {status}: {body}"
        elif function == "getExecution" and not killed:
            yield f"getExecution failed: {result.error}"


_TOLERANCE = 5.0  # seconds: a request waits, and is repeated


def _deliveries(world: World) -> int:
    """How often EventBridge delivers an event: each time is a message of its own."""
    return 2 if any(fault.kind in (Kind.TWICE, Kind.AGAIN) for fault in world.case.faults) else 1


def _broken_by_items(items: list[Any], events: dict[str, Any]) -> Iterator[str]:
    """What is stored is the event, without its token."""
    tokens = set()
    for item in items:
        if TOKEN in json.dumps(item):
            yield "the log has a task token"
        event = events.get(item.get("eventId", {}).get("S", ""))
        if event is None:
            continue
        stored = json.loads(item["detail"]["S"])
        if "TaskToken" in event["detail"]:
            tokens.add(stored.pop("TaskToken"))
        if stored != {k: v for k, v in event["detail"].items() if k != "TaskToken"}:
            yield f"an event's detail is stored as {stored}"
    if len(tokens) > 1:
        yield f"one task token has {len(tokens)} hashes"


def _broken_by_summaries(
    world: World, items: list[Any], events: dict[str, Any], *, complete: bool
) -> Iterator[str]:
    """A summary has the newest event and the last status of what is recorded."""
    summaries = {item["job"]["S"]: item for item in items if item["entry"]["S"] == "summary"}
    entries: dict[str, list[Any]] = {}
    for item in items:
        if item["entry"]["S"] != "summary":
            entries.setdefault(item["job"]["S"], []).append(item)
    for job, of_job in entries.items():
        summary = summaries.get(job)
        if summary is None:
            if complete:
                yield f"{job} has no summary"
            continue
        newest = max(item["entry"]["S"] for item in of_job).removeprefix("event#")
        latest = summary.get("latest", {}).get("S", "")
        if latest > newest or (complete and "started" not in summary and latest != newest):
            yield f"the newest event of {job} is {newest}, and its summary has {latest}"
        changes = [
            events[item["eventId"]["S"]]["detail"]["status"]
            for item in of_job
            if item["detailType"]["S"] == _STATUS_CHANGE
        ]
        last = next((s for s in ("SUCCEEDED", "RUNNING") if s in changes), None)
        status = summary.get("status", {}).get("S")
        if complete and last and status != last:
            yield f"{job} is {last}, and its summary has {status}"
        if changes and status not in (*changes, "UNKNOWN"):
            yield f"the summary of {job} has {status}, which no event says"
    for job in summaries.keys() - entries.keys():
        if complete and summaries[job].get("status"):
            yield f"{job} has a summary, but no event"


def _broken_by_responses(world: World, items: list[Any]) -> Iterator[str]:
    """The jobs API shows what the table has."""
    listable = {
        item["job"]["S"]
        for item in items
        if "latest" in item and item.get("status", {}).get("S") not in (None, "NO_EXECUTION")
    }
    for function, request, result in world.functions.results:
        if result.error or function not in ("listJobs", "getJob"):
            continue
        status, body = result.payload["statusCode"], json.loads(result.payload["body"])
        if status == 503:
            if all(fault.times is Times.ONCE for fault in world.case.faults):
                yield f"{function} responds with 503, although the SDK's retry helps"
        elif function == "listJobs":
            if status != 200 or {job["id"] for job in body["jobs"]} != listable:
                yield f"listJobs responds with {status}: {body}"
        else:
            job = request["pathParameters"]["id"]
            has_events = any(i["job"]["S"] == job and "eventId" in i for i in items)
            has_summary = any(i["job"]["S"] == job and "eventId" not in i for i in items)
            if status != (200 if has_events and has_summary else 404):
                yield f"getJob responds with {status}: {body}"


_NO_ANSWER = (("handlers.messages.record_message", "handler", lambda *_: None),)
WORKFLOW = Workflow(
    "observability",
    (
        Scenario(
            "executions",
            _executions,
            only=("getExecution", "measureCallbacks"),
            options=_NO_ANSWER,
            environment={"CALLBACK_MACHINES": stack.machine_arns()["MessagesStateMachine"]},
        ),
        Scenario("recorded", _some_of_each_kind),
        Scenario("two batches at once", _two_batches_at_once, only=("trackEvent",)),
        Scenario("some invalid", _some_invalid, only=("trackEvent",), periodic=("trackEvent",)),
    ),
    broken,
)
