"""Execution history of the states inside Parallel and Map, with the previous event of each.

ministack 1.5.33 records only top-level states. On AWS the history has an entered and an exited
event for every state, and `previousEventId` tells the branches apart. Events of their own begin and
end each item of a Map, with its index; items of a distributed Map have their own histories instead
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html).
"""

import contextlib
import contextvars
import copy
import json
import threading
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as sfn

# Every branch and every Map item runs in a copy of its parent's context, so that each has its own
# previous event: (execution ARN, event id).
_last_event: contextvars.ContextVar[tuple[str, int]] = contextvars.ContextVar(
    "last_event", default=("", 0)
)
# The item of the innermost Map around: its `$$.Map.Item`, which is another object for each item.
_item: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("item", default=None)
_lock = threading.Lock()
_add_event_upstream = sfn._add_event


def add_event(
    execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None
) -> dict[str, Any]:
    arn = execution["executionArn"]
    owner, previous = _last_event.get()
    with _lock:  # the next id is the list's length, and branches write at once
        event: dict[str, Any] = _add_event_upstream(execution, event_type, details)
    event["previousEventId"] = previous if owner == arn else event["id"] - 1
    _last_event.set((arn, event["id"]))
    return event


def run_sub_machine(
    states: dict[str, Any],
    start_at: str,
    input_data: Any,
    execution: dict[str, Any],
    ctx: dict[str, Any],
) -> Any:
    """Run the states of one branch or item. Returns its output; raises the error that ends it."""
    with _item_of_a_map(execution, ctx):
        ctx = {**ctx}  # branches of a Parallel would overwrite each other's State and task token
        name: str | None = start_at
        data = copy.deepcopy(input_data)
        while name:
            if execution["status"] != "RUNNING":
                raise sfn._ExecutionError("States.Runtime", f"Execution is {execution['status']}")
            state = states.get(name)
            if state is None:
                raise sfn._ExecutionError("States.Runtime", f"State '{name}' not found")
            kind = state["Type"]
            ctx["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
            _record(execution, f"{kind}StateEntered", "stateEnteredEventDetails", name, input=data)
            if kind == "Fail":
                raise sfn._ExecutionError(*sfn._fail_state_error(state, data, ctx))
            data, following = _run_state(state, data, execution, ctx)
            _record(execution, f"{kind}StateExited", "stateExitedEventDetails", name, output=data)
            name = following
        return data


@contextlib.contextmanager
def _item_of_a_map(execution: dict[str, Any], ctx: dict[str, Any]) -> Iterator[None]:
    """Record where an item of a Map begins and ends."""
    item = ctx.get("Map", {}).get("Item")
    is_new = item is not None and item is not _item.get()  # otherwise a branch of a Parallel
    _item.set(item)
    is_execution = "mapRunArn" in execution and not execution["events"]  # of a distributed Map
    if not is_new or is_execution:
        yield
        return

    def record(what: str) -> None:
        details = {"name": ctx["State"]["Name"], "index": item["Index"]}
        _add(execution, f"MapIteration{what}", f"mapIteration{what}EventDetails", details)

    record("Started")
    try:
        yield
    except Exception:
        record("Failed")
        raise
    record("Succeeded")


def _run_state(
    state: dict[str, Any], data: Any, execution: dict[str, Any], ctx: dict[str, Any]
) -> tuple[Any, str | None]:
    kind = state["Type"]
    if kind == "Succeed":
        data = sfn._apply_input_path(state, data, ctx)
        return sfn._apply_output_path(state, data, ctx), None
    if kind in ("Task", "Parallel", "Map"):
        output, following = getattr(sfn, f"_execute_{kind.lower()}")(state, data, execution, ctx)
    elif kind in ("Pass", "Choice", "Wait"):
        output, following = getattr(sfn, f"_execute_{kind.lower()}")(state, data, ctx)
    else:
        raise sfn._ExecutionError("States.Runtime", f"Unknown state type: {kind}")
    return output, following


def _record(
    execution: dict[str, Any], event_type: str, key: str, name: str, **payload: Any
) -> None:
    details = {field: json.dumps(value) for field, value in payload.items()}
    _add(execution, event_type, key, {"name": name, **details})


def _add(execution: dict[str, Any], event_type: str, key: str, details: dict[str, Any]) -> None:
    """Record an event, unless the execution has ended: then its history is complete."""
    if execution["status"] == "RUNNING":
        sfn._add_event(execution, event_type, {key: details})


def install() -> None:
    sfn._add_event = add_event
    sfn._run_sub_machine = run_sub_machine
