"""A run as its history tells it: states, visits, attempts, branches, items.

`History` takes the events of GetExecutionHistory in order, one after another, and after each one
describes a valid run. It understands two dialects:

- AWS: a task that names a function's ARN has `LambdaFunction…` events; a Parallel or Map has events
  of its own (`ParallelStateStarted`, `MapIterationStarted`).
- ministack: every task has `Task…` events, and what is inside a Parallel or Map is recognised by
  `previousEventId` alone.

It never raises: an event that it does not understand changes nothing.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from console.definition import (
    CLUSTERS,
    END,
    START,
    Definition,
    Node,
    Scope,
    dictionaries,
    parameters,
)

# Status of a visit. `waiting`: for a callback, or in a Wait state.
RUNNING, WAITING, SUCCEEDED = "running", "waiting", "succeeded"
CAUGHT, FAILED, CANCELLED, NOT_REACHED = "caught", "failed", "cancelled", "notReached"
OPEN = (RUNNING, WAITING)
# If visits of one state differ, the state has the first of these that occurs.
FIRST = (RUNNING, WAITING, FAILED, CAUGHT, CANCELLED, SUCCEEDED)

_SCHEDULED = ("TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled")
_STARTED = ("TaskStarted", "LambdaFunctionStarted", "ActivityStarted")
_DONE = ("TaskSucceeded", "LambdaFunctionSucceeded", "ActivitySucceeded")
_NOT_DONE = (
    "TaskFailed",
    "TaskTimedOut",
    "TaskStartFailed",
    "TaskSubmitFailed",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "LambdaFunctionScheduleFailed",
    "LambdaFunctionStartFailed",
    "ActivityFailed",
    "ActivityTimedOut",
    "ActivityScheduleFailed",
)
_ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}


@dataclass(eq=False)
class Attempt:
    """One try of a task."""

    n: int
    scheduled_at: int
    resource: str
    parameters: str | None = None  # JSON text
    timeout_seconds: float | None = None
    started_at: int | None = None
    submitted_at: int | None = None
    stopped_at: int | None = None
    status: str = RUNNING
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    request_id: str | None = None


@dataclass(eq=False)
class Inside:
    """One pass through the states of a scope: the machine, a branch, or a Map's item."""

    scope: Scope
    owner: "Visit | None" = None
    index: int = 0  # of the branch or item
    round: int = 0  # how often the Parallel or Map has been retried
    started_at: int = 0
    stopped_at: int | None = None
    status: str = RUNNING
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    visits: list["Visit"] = field(default_factory=list)

    def path(self) -> list[tuple[str, int]]:
        """Clusters around it and its index in each, outermost first."""
        outer = self.owner.inside.path() if self.owner else []
        return [*outer, (self.owner.node.id, self.index)] if self.owner else []


@dataclass(eq=False)
class Visit:
    """One time that a run was in a state."""

    node: Node
    inside: Inside
    entered_at: int
    entered_id: int
    input: str | None = None
    output: str | None = None
    exited_at: int | None = None
    status: str = RUNNING
    error: str | None = None
    cause: str | None = None
    next: str | None = None  # id of the node that followed
    attempts: list[Attempt] = field(default_factory=list)
    rounds: list[dict[int, Inside]] = field(default_factory=list)  # by index of branch or item
    length: int | None = None  # items of a Map
    map_run: str | None = None  # ARN
    failed_once: bool = False  # an error that a Retry or Catch may handle

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def waiting_since(self) -> int | None:
        if self.status != WAITING:
            return None
        if self.node.type == "Wait" or not self.attempts:
            return self.entered_at
        last = self.attempts[-1]
        return last.submitted_at or last.scheduled_at

    @property
    def insides(self) -> list[Inside]:
        """Branches or items of all rounds. A Parallel or Map that is retried has several."""
        return [inside for this_round in self.rounds for inside in this_round.values()]

    def current(self) -> dict[int, Inside]:
        """Branches or items of the last round, by index."""
        return self.rounds[-1] if self.rounds else {}

    def begin(self, scope: Scope, index: int, at: int) -> Inside:
        """A branch or item begins; in a new round if it has been there in this one."""
        if not self.rounds or index in self.rounds[-1]:
            self.rounds.append({})
        inside = Inside(scope, self, index, len(self.rounds) - 1, at)
        self.rounds[-1][index] = inside
        return inside

    def times_out_at(self) -> int | None:
        """When a task that still runs has used up its TimeoutSeconds."""
        if not self.open or not self.attempts:
            return None
        last = self.attempts[-1]
        seconds = last.timeout_seconds or number(self.node.definition.get("TimeoutSeconds"))
        if seconds is None:
            seconds = number(at_path(self.node.definition.get("TimeoutSecondsPath"), self.input))
        return last.scheduled_at + round(seconds * 1000) if seconds else None


@dataclass
class _Place:
    """Where the run is after an event: in a state, or between two."""

    inside: Inside
    visit: Visit | None = None


class History:
    """A run, by the events seen so far."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.root = Inside(definition.root)
        self.visits: list[Visit] = []
        self.status = "RUNNING"
        self.error: str | None = None
        self.cause: str | None = None
        self.started_at: int | None = None
        self.stopped_at: int | None = None
        self.input: str | None = None
        self.output: str | None = None
        self.count = 0
        self.redrives: list[int] = []
        self.name_of_event: dict[int, str] = {}  # event id → node id
        self._places: dict[int, _Place] = {}
        self._latest = _Place(self.root)
        self._cut_off: list[Visit] = []  # visits that the run's end closed

    @classmethod
    def of(cls, definition: Definition, events: Iterable[dict[str, Any]]) -> "History":
        history = cls(definition)
        history.extend(events)
        return history

    def extend(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self.add(event)

    def add(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        self.count += 1
        event_id = event.get("id")
        kind = event.get("type")
        if not isinstance(event_id, int) or not isinstance(kind, str):
            return
        place = self._places.get(event.get("previousEventId") or 0) or self._latest
        after = self._apply(kind, event, millis(event.get("timestamp")), place) or place
        self._places[event_id] = self._latest = after
        if after.visit is not None:
            self.name_of_event[event_id] = after.visit.node.id

    def visit_at(self, event_id: int) -> Visit | None:
        """The visit that the event with this id belongs to."""
        place = self._places.get(event_id)
        return place.visit if place else None

    # -- Events -----------------------------------------------------------------------------------

    def _apply(self, kind: str, event: dict[str, Any], at: int, place: _Place) -> _Place | None:
        details = details_of(event)
        if kind == "ExecutionStarted":
            self.started_at, self.input = at, text(details.get("input"))
            self.root.started_at, self.root.input = at, self.input
            return _Place(self.root)
        if kind in _ENDS:
            self._end(_ENDS[kind], at, details, place)
            return place
        if kind == "ExecutionRedriven":
            return self._redrive(at)
        if kind.endswith("StateEntered"):
            return self._enter(details, event, at, place)
        if kind.endswith("StateExited"):
            return self._exit(details, event, at, place)
        if kind.startswith("Map") and "Iteration" in kind:
            return self._iteration(kind, details, at, place)
        visit = self._visit_of(kind, place)
        if visit is None:
            return place
        if kind in _SCHEDULED:
            self._schedule(visit, details, at)
        elif kind in _STARTED or kind == "TaskSubmitted":
            self._start(visit, kind, details, at)
        elif kind in _DONE:
            self._done(visit, details, at)
        elif kind in _NOT_DONE:
            self._not_done(visit, kind, details, at)
        elif kind.endswith("StateAborted"):
            self._close(visit, CANCELLED, at)
        elif kind.endswith("StateFailed") or kind in ("MapRunFailed", "EvaluationFailed"):
            visit.failed_once = True
            visit.error = text(details.get("error")) or visit.error
            visit.cause = text(details.get("cause")) or visit.cause
        elif kind == "MapStateStarted":
            visit.length = _integer(details.get("length"), visit.length)
        elif kind in ("MapRunStarted", "MapRunRedriven"):
            visit.map_run = text(details.get("mapRunArn")) or visit.map_run
        return _Place(visit.inside, visit)

    def _visit_of(self, kind: str, place: _Place) -> Visit | None:
        """The visit that an event without a state's name belongs to."""
        wanted = (
            ("Parallel",)
            if kind.startswith("Parallel")
            else ("Map",)
            if kind.startswith("Map")
            else ("Wait",)
            if kind.startswith("WaitState")
            else None
        )
        visit = place.visit
        if wanted is None:
            if visit is None and kind in _SCHEDULED:  # the first event after a redrive
                visit = next(
                    (v for v in reversed(self.visits) if v.open and v.node.type == "Task"), None
                )
            return visit
        visit = visit or place.inside.owner
        while visit is not None and visit.node.type not in wanted:
            visit = visit.inside.owner
        return visit

    def _enter(
        self, details: dict[str, Any], event: dict[str, Any], at: int, place: _Place
    ) -> _Place | None:
        name = details.get("name")
        if not isinstance(name, str):
            return None
        found = self._destination(name, place, at)
        if found is None:
            return None
        inside, node = found
        before = inside.visits[-1] if inside.visits else None
        if before is not None:
            before.next = node.id
            if before.open:
                self._close(before, SUCCEEDED, at)
            if before.node.type in CLUSTERS:
                self._judge_cluster(before, node.name)
        visit = Visit(node, inside, at, event["id"], input=text(details.get("input")))
        if not inside.visits and inside.input is None:
            inside.input = visit.input
        visit.status = WAITING if node.type == "Wait" else RUNNING
        if node.type == "Fail":
            visit.status, visit.exited_at = FAILED, at
            visit.error, visit.cause = _stated(visit, "Error"), _stated(visit, "Cause")
            if inside.owner is not None:
                self._finish(inside, FAILED, at, visit.error, visit.cause)
        inside.visits.append(visit)
        self.visits.append(visit)
        return _Place(inside, visit)

    def _destination(self, name: str, place: _Place, at: int) -> tuple[Inside, Node] | None:
        """Where a state was entered: in a branch or item that begins, here, or further out."""
        if place.visit is not None and place.visit.open and place.visit.node.type in CLUSTERS:
            inside = self._begin(place.visit, name, at)
            if inside is not None:
                return inside, self.definition.nodes[inside.scope.states[name]]
        inside_or_none: Inside | None = place.inside
        while inside_or_none is not None:
            if name in inside_or_none.scope.states:
                return inside_or_none, self.definition.nodes[inside_or_none.scope.states[name]]
            inside_or_none = inside_or_none.owner.inside if inside_or_none.owner else None
        for visit in reversed(self.visits):
            if visit.open and visit.node.type in CLUSTERS:
                inside = self._begin(visit, name, at)
                if inside is not None:
                    return inside, self.definition.nodes[inside.scope.states[name]]
        return None

    def _begin(self, visit: Visit, name: str, at: int) -> Inside | None:
        """The branch or item that begins with this state."""
        scopes = [
            scope for scope in visit.node.scopes if scope.start_at == name and name in scope.states
        ]
        if not scopes:
            return None
        begun = visit.current()
        if visit.node.type == "Map":
            if visit.length is None:
                visit.length = _items(visit)
            again = visit.length is not None and len(begun) >= visit.length  # it is retried
            return visit.begin(scopes[0], 0 if again else len(begun), at)
        free = [scope for scope in scopes if scope.branch not in begun]
        scope = (free or scopes)[0]
        return visit.begin(scope, scope.branch or 0, at)

    def _exit(
        self, details: dict[str, Any], event: dict[str, Any], at: int, place: _Place
    ) -> _Place | None:
        name = details.get("name")
        visit = place.visit or (place.inside.visits[-1] if place.inside.visits else None)
        while visit is not None and visit.node.name != name:
            visit = visit.inside.owner
        if visit is None:
            visit = next((v for v in reversed(self.visits) if v.open and v.node.name == name), None)
        if visit is None:
            return None
        visit.output = text(details.get("output"))
        self._close(visit, CAUGHT if self._failed(visit) else SUCCEEDED, at)
        self.name_of_event[event["id"]] = visit.node.id
        inside = visit.inside
        if visit.node.ends and visit.status == SUCCEEDED and inside.owner is not None:
            inside.output = visit.output
            self._finish(inside, SUCCEEDED, at)
        return _Place(inside)

    def _failed(self, visit: Visit) -> bool:
        """Whether a state that was exited has failed: then a Catch led on."""
        if visit.attempts:
            return visit.attempts[-1].status == FAILED
        return visit.failed_once and visit.node.type == "Map" and visit.map_run is not None

    def _judge_cluster(self, visit: Visit, following: str) -> None:
        """A Parallel or Map that a Catch led out of. Its own `Next` may be the same state."""
        caught_to = [
            catcher.get("Next") for catcher in dictionaries(visit.node.definition.get("Catch"))
        ]
        current = visit.current().values()
        failed = [inside for inside in current if inside.status == FAILED]
        unfinished = any(inside.status != SUCCEEDED for inside in current)
        if following in caught_to and (
            following != visit.node.definition.get("Next") or failed or unfinished
        ):
            first = next(iter(failed), None) or next(
                (inside for inside in current if inside.error), None
            )
            visit.status = CAUGHT
            visit.error = visit.error or (first.error if first else None)
            visit.cause = visit.cause or (first.cause if first else None)

    def _iteration(
        self, kind: str, details: dict[str, Any], at: int, place: _Place
    ) -> _Place | None:
        name, index = details.get("name"), _integer(details.get("index"), 0) or 0
        visit = place.visit or place.inside.owner
        while visit is not None and (visit.node.name != name or visit.node.type != "Map"):
            visit = visit.inside.owner
        if visit is None:
            visit = next((v for v in reversed(self.visits) if v.open and v.node.name == name), None)
        if visit is None or not visit.node.scopes:
            return None
        if kind == "MapIterationStarted":
            return _Place(visit.begin(visit.node.scopes[0], index, at))
        inside = visit.current().get(index)
        if inside is not None:
            ended = {"Succeeded": SUCCEEDED, "Failed": FAILED}.get(kind[12:], CANCELLED)
            last = inside.visits[-1] if inside.visits else None
            if last is not None and last.open:
                self._close(last, FAILED if ended == FAILED else CANCELLED, at)
            self._finish(
                inside, ended, at, last.error if last else None, last.cause if last else None
            )
        return _Place(visit.inside, visit)

    def _schedule(self, visit: Visit, details: dict[str, Any], at: int) -> None:
        if not visit.open:  # redriven
            visit.status, visit.exited_at = RUNNING, None
        resource = text(details.get("resource")) or visit.node.resource
        kind = text(details.get("resourceType"))
        if kind and ":" not in resource:  # AWS has the two parts of `sns:publish` apart
            resource = f"{kind}:{resource}"
        visit.attempts.append(
            Attempt(
                n=len(visit.attempts) + 1,
                scheduled_at=at,
                resource=resource,
                parameters=text(details.get("parameters", details.get("input"))),
                timeout_seconds=number(details.get("timeoutInSeconds")),
            )
        )
        visit.error = visit.cause = None
        # ministack has no TaskSubmitted: a callback task waits from the moment it is scheduled.
        visit.status = WAITING if visit.node.callback else RUNNING

    def _start(self, visit: Visit, kind: str, details: dict[str, Any], at: int) -> None:
        if not visit.attempts:
            return
        attempt = visit.attempts[-1]
        if kind == "TaskSubmitted":
            attempt.submitted_at = at
            attempt.output = text(details.get("output"))
            attempt.request_id = request_id(details.get("output")) or attempt.request_id
        else:
            attempt.started_at = at

    def _done(self, visit: Visit, details: dict[str, Any], at: int) -> None:
        if visit.attempts:
            attempt = visit.attempts[-1]
            attempt.stopped_at, attempt.status = at, SUCCEEDED
            attempt.output = text(details.get("output"))
            attempt.request_id = request_id(attempt.output) or attempt.request_id
        if visit.open:
            visit.status = RUNNING

    def _not_done(self, visit: Visit, kind: str, details: dict[str, Any], at: int) -> None:
        error, cause = text(details.get("error")), text(details.get("cause"))
        if error is None and kind.endswith("TimedOut"):
            error = "States.Timeout"
        if not visit.attempts:
            visit.attempts.append(Attempt(1, at, visit.node.resource))
        attempt = visit.attempts[-1]
        attempt.stopped_at, attempt.status = at, FAILED
        attempt.error, attempt.cause = error, cause
        attempt.request_id = _string_in(cause, "requestId") or attempt.request_id
        visit.error, visit.cause, visit.failed_once = error, cause, True
        if visit.open:
            visit.status = RUNNING
        if visit.inside.owner is not None and not handled(visit, error or ""):
            visit.status, visit.exited_at = FAILED, at
            self._finish(visit.inside, FAILED, at, error, cause)

    # -- Ends -------------------------------------------------------------------------------------

    def _close(self, visit: Visit, status: str, at: int) -> None:
        visit.status, visit.exited_at = status, at
        for attempt in visit.attempts:
            if attempt.stopped_at is None:
                attempt.stopped_at = at
                attempt.status = SUCCEEDED if status == SUCCEEDED else CANCELLED
        for inside in visit.insides:
            if inside.status == RUNNING:
                self._close_inside(inside, SUCCEEDED if status == SUCCEEDED else CANCELLED, at)

    def _close_inside(self, inside: Inside, status: str, at: int) -> None:
        for visit in inside.visits:
            if visit.open:
                # Its error was not handled, or it ran while another branch failed.
                self._close(visit, FAILED if visit.failed_once else CANCELLED, at)
        failed = next((v for v in inside.visits if v.status == FAILED), None)
        if failed is not None:
            self._finish(inside, FAILED, at, failed.error, failed.cause)
        else:
            self._finish(inside, status, at)

    def _finish(
        self,
        inside: Inside,
        status: str,
        at: int,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        inside.status, inside.stopped_at = status, at
        inside.error, inside.cause = error, cause

    def _end(self, status: str, at: int, details: dict[str, Any], place: _Place) -> None:
        self.status, self.stopped_at = status, at
        self.output = text(details.get("output"))
        self.error, self.cause = text(details.get("error")), text(details.get("cause"))
        if status == "TIMED_OUT" and self.error is None:
            self.error = "States.Timeout"
        self._cut_off = [visit for visit in self.visits if visit.open]
        failing = self._failing(status, place)
        for visit in reversed(self._cut_off):  # inner ones first
            if visit in failing or (status == "FAILED" and visit.failed_once):
                visit.error, visit.cause = visit.error or self.error, visit.cause or self.cause
                self._close(visit, FAILED, at)
            else:
                self._close(visit, SUCCEEDED if status == "SUCCEEDED" else CANCELLED, at)
        self._finish(
            self.root, {"SUCCEEDED": SUCCEEDED, "ABORTED": CANCELLED}.get(status, FAILED), at
        )

    def _failing(self, status: str, place: _Place) -> list[Visit]:
        """The open visits that the failure went through, innermost last."""
        if status == "TIMED_OUT":
            return list(self._cut_off)
        if status != "FAILED":
            return []
        visit = place.visit or place.inside.owner
        if visit is None:
            visit = next(iter(v for v in reversed(self._cut_off) if v.inside is self.root), None)
        found: list[Visit] = []
        while visit is not None:
            found.insert(0, visit)
            visit = visit.inside.owner
        return found

    def _redrive(self, at: int) -> _Place:
        """The run goes on with the states that had not succeeded."""
        self.redrives.append(at)
        self.status, self.stopped_at, self.error, self.cause = "RUNNING", None, None, None
        self.root.status, self.root.stopped_at = RUNNING, None
        for visit in self._cut_off:
            visit.status, visit.exited_at = RUNNING, None
            for inside in visit.insides:
                if inside.status in (FAILED, CANCELLED):
                    inside.status, inside.stopped_at, inside.error = RUNNING, None, None
        self._cut_off = []
        return _Place(self.root)

    # -- What it says -----------------------------------------------------------------------------

    def current(self) -> list[Visit]:
        """The visits that are open and have no open visit inside: where the run is."""
        found = [visit for visit in self.visits if visit.open]
        outer = {id(visit.inside.owner) for visit in found if visit.inside.owner}
        return [visit for visit in found if id(visit) not in outer]

    def failed_visit(self) -> Visit | None:
        """The innermost state in which the run failed."""
        if self.status not in ("FAILED", "TIMED_OUT"):
            return None
        failed = [visit for visit in self.visits if visit.status == FAILED]
        outer = {id(visit.inside.owner) for visit in failed if visit.inside.owner}
        inner = [visit for visit in failed if id(visit) not in outer]
        with_error = [visit for visit in inner if visit.error == self.error]
        return next(iter(reversed(with_error or inner)), None)

    def visits_of(self, node_id: str, item: int | None = None) -> list[Visit]:
        """The visits of a state, oldest first; only those in one item of the Map around it."""
        return [
            visit
            for visit in self.visits
            if visit.node.id == node_id and (item is None or _item(visit) == item)
        ]

    def summaries(self) -> dict[str, dict[str, Any]]:
        """StateSummary of every node, by id (docs: the console's API)."""
        by_node: dict[str, list[Visit]] = {}
        for visit in self.visits:
            by_node.setdefault(visit.node.id, []).append(visit)
        states = {
            node_id: self._summary(node, by_node.get(node_id, []))
            for node_id, node in self.definition.nodes.items()
        }
        first = self.root.visits[0].node.id if self.root.visits else None
        states[START] = _nothing() | {
            "status": SUCCEEDED if self.started_at is not None else NOT_REACHED,
            "startedAt": self.started_at,
            "stoppedAt": self.started_at,
            "visits": int(self.started_at is not None),
            "taken": [first] if first else [],
        }
        ended = self.status in ("SUCCEEDED", "FAILED") and self._reached_end()
        states[END] = _nothing() | {
            "status": (SUCCEEDED if self.status == "SUCCEEDED" else FAILED)
            if ended
            else NOT_REACHED,
            "startedAt": self.stopped_at if ended else None,
            "stoppedAt": self.stopped_at if ended else None,
            "visits": int(ended),
        }
        return states

    def _reached_end(self) -> bool:
        last = self.root.visits[-1] if self.root.visits else None
        return (
            last is not None
            and last.node.ends
            and (last.status == SUCCEEDED or last.node.type == "Fail")
        )

    def _summary(self, node: Node, visits: list[Visit]) -> dict[str, Any]:
        if not visits:
            return _nothing()
        # In each pass through its scope the latest visit counts: a loop may have passed before.
        latest = {id(visit.inside): visit for visit in visits}
        current = [visit for visit in latest.values() if not _superseded(visit)]
        statuses = {visit.status for visit in current or latest.values()}
        status = next(status for status in FIRST if status in statuses)
        of_status = [
            visit for visit in (current or list(latest.values())) if visit.status == status
        ]
        taken: dict[str, None] = {}
        for visit in visits:
            if visit.next:
                taken[visit.next] = None
            elif visit.inside is self.root and visit.node.ends and self._reached_end():
                taken[END] = None
            for inside in visit.insides:
                if inside.visits:
                    taken[inside.visits[0].node.id] = None
        open_ones = [visit for visit in visits if visit.open]
        deadlines = [at for visit in open_ones if (at := visit.times_out_at()) is not None]
        return {
            "status": status,
            "visits": len(visits),
            "attempts": max((len(visit.attempts) for visit in visits), default=0),
            "startedAt": visits[0].entered_at,
            "stoppedAt": None
            if open_ones
            else max((visit.exited_at or visit.entered_at) for visit in visits),
            "taken": list(taken),
            "map": self.map_counts(visits[-1])
            if node.type == "Map" and not node.distributed
            else None,
            "error": next((visit.error for visit in of_status if visit.error), None),
            "waitingSince": min(
                (since for visit in open_ones if (since := visit.waiting_since) is not None),
                default=None,
            ),
            "timesOutAt": min(deadlines, default=None),
        }

    def map_counts(self, visit: Visit) -> dict[str, int]:
        """How many items of a Map are in which status."""
        items = visit.current()  # by index
        by_status = dict.fromkeys((SUCCEEDED, FAILED, RUNNING, CANCELLED), 0)
        for inside in items.values():
            by_status[inside.status] = by_status.get(inside.status, 0) + 1
        total = max(visit.length if visit.length is not None else _items(visit) or 0, len(items))
        pending = total - len(items) if visit.open else 0
        return {
            "total": total,
            "succeeded": by_status[SUCCEEDED],
            "failed": by_status[FAILED],
            "running": by_status[RUNNING],
            "cancelled": by_status[CANCELLED] + (0 if visit.open else total - len(items)),
            "pending": pending,
        }


def _superseded(visit: Visit) -> bool:
    """Whether the Parallel or Map around a visit was retried since."""
    inside = visit.inside
    while inside.owner is not None:
        if inside.round < len(inside.owner.rounds) - 1:
            return True
        inside = inside.owner.inside
    return False


def _item(visit: Visit) -> int | None:
    """Index of the item of the innermost Map around a visit."""
    inside: Inside | None = visit.inside
    while inside is not None and inside.owner is not None:
        if inside.owner.node.type == "Map":
            return inside.index
        inside = inside.owner.inside
    return None


def _nothing() -> dict[str, Any]:
    return {
        "status": NOT_REACHED,
        "visits": 0,
        "attempts": 0,
        "startedAt": None,
        "stoppedAt": None,
        "taken": [],
        "map": None,
        "error": None,
        "waitingSince": None,
        "timesOutAt": None,
    }


def handled(visit: Visit, error: str) -> bool:
    """Whether a Retry or Catch of the state handles the error of its last attempt."""
    if _matching(visit.node.definition.get("Catch"), error) is not None:
        return True
    retrier = _matching(visit.node.definition.get("Retry"), error)
    if retrier is None:
        return False
    most = number(retrier.get("MaxAttempts"))
    same = [
        attempt
        for attempt in visit.attempts
        if attempt.status == FAILED
        and _matching(visit.node.definition.get("Retry"), attempt.error or "") is retrier
    ]
    return len(same) <= (3 if most is None else most)  # 3: the default of MaxAttempts


# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
_NOT_IN_ALL = ("States.DataLimitExceeded", "States.Runtime")


def _matching(handlers: Any, error: str) -> dict[str, Any] | None:
    for handler in dictionaries(handlers):
        names = handler.get("ErrorEquals")
        if not isinstance(names, list):
            continue
        if error in names or ("States.ALL" in names and error not in _NOT_IN_ALL):
            return handler
        if "States.TaskFailed" in names and error != "States.Timeout":
            return handler
    return None


def _items(visit: Visit) -> int | None:
    """Number of items of a Map, where its input says it."""
    definition = visit.node.definition
    if visit.node.distributed and definition.get("ItemReader"):
        return None
    value = at_path(definition.get("InputPath", "$"), visit.input)
    found = at_path(definition.get("ItemsPath", "$"), value)
    return len(found) if isinstance(found, list) else None


def at_path(path: Any, value: Any) -> Any:
    """The value at a simple JSONPath (`$.a.b`), or None. A text is read as JSON first."""
    if not isinstance(path, str) or not path.startswith("$") or path.startswith("$$"):
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    for name in path[1:].split("."):
        if not name:
            continue
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def token_values(visit: Visit) -> Iterator[str]:
    """The task tokens that a visit's attempts have sent, found by the definition's `Parameters`."""
    template = parameters(visit.node.definition)
    for attempt in visit.attempts:
        if attempt.parameters:
            try:
                sent = json.loads(attempt.parameters)
            except (ValueError, RecursionError):
                continue
            yield from _tokens_at(template, sent)


def _tokens_at(template: Any, sent: Any) -> Iterator[str]:
    if isinstance(template, dict) and isinstance(sent, dict):
        for key, inner in template.items():
            value = sent.get(key.removesuffix(".$")) if isinstance(key, str) else None
            if isinstance(inner, str) and "Task.Token" in inner:
                if isinstance(value, str):
                    yield value
            else:
                yield from _tokens_at(inner, value)
    elif isinstance(template, list) and isinstance(sent, list):
        for inner, value in zip(template, sent, strict=False):
            if isinstance(inner, str) and "Task.Token" in inner and isinstance(value, str):
                yield value
            else:
                yield from _tokens_at(inner, value)


def details_of(event: dict[str, Any]) -> dict[str, Any]:
    """The details of an event, whatever its type calls them."""
    for key, value in event.items():
        if key.endswith("EventDetails") and isinstance(value, dict):
            return value
    return {}


def request_id(output: Any) -> str | None:
    """Request id of the call, where a task's output has the SDK's metadata."""
    if not isinstance(output, str) or "equestId" not in output:
        return None
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        return None
    metadata = value.get("SdkResponseMetadata") if isinstance(value, dict) else None
    found = metadata.get("RequestId") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else None


def message(cause: str | None) -> str | None:
    """The message in a cause. Lambda makes JSON of an exception: message, type, stack trace."""
    return _string_in(cause, "errorMessage") or cause


def _string_in(value: str | None, name: str) -> str | None:
    """A text in JSON that is an object."""
    if value is None or not value.startswith("{"):
        return None
    try:
        return text(json.loads(value).get(name))
    except (ValueError, RecursionError):
        return None


def millis(value: Any) -> int:
    """Epoch milliseconds of a timestamp as boto3 or JSON has it."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            return 0
        return round(value * 1000) if abs(value) < 1e11 else round(value)
    if isinstance(value, str):
        try:
            return round(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1000)
        except (ValueError, OverflowError):
            return 0
    return 0


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _stated(visit: Visit, name: str) -> str | None:
    """`Error` or `Cause` of a Fail state, or the text at `ErrorPath` or `CausePath`."""
    definition = visit.node.definition
    found = definition.get(name)
    return text(found if found is not None else at_path(definition.get(f"{name}Path"), visit.input))


def _integer(value: Any, default: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
