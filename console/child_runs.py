"""Executions that a run has started: by its tasks, and one for each item of a Distributed Map.

Step Functions keeps the history of an item in the item's own execution. So what happens inside a
Distributed Map is put together from the items' executions.
"""

from collections.abc import Iterator
from typing import Any

from console.aws import ConsoleError, NotFoundError, add_problem
from console.core import Console
from console.definition import END, Node
from console.history import FIRST, Attempt, History, at_path, millis
from console.runs import Recording, Run, run_id

MOST = 200  # executions of a Map, and of a run's tasks
READ = 20  # of a Map, whose histories are read: what failed and what runs before the others


class ChildRuns:
    """The executions that a run has started, as far as a page shows them."""

    def __init__(
        self,
        console: Console,
        run: Run,
        recording: Recording,
        problems: list[dict[str, Any]],
    ) -> None:
        self._console = console
        self._recording = recording
        self._problems = problems
        self._recordings: dict[str, list[tuple[Run, Recording]]] = {}
        self.maps = map_runs(console, run, recording, problems)  # Map Runs by node id
        self.of_map: dict[str, list[Run]] = {
            node_id: sorted(self._of_map_run(one["mapRunArn"]), key=_importance)
            for node_id, one in self.maps.items()
        }
        console.runs.detail((one for runs in self.of_map.values() for one in runs[:READ]), READ)

    def read(self, seconds: float | None = None) -> bool:
        """Read what the Maps' items did, for so long. Returns whether that was all of it."""
        runs = self._console.runs

        def read(run: Run) -> Recording | ConsoleError:
            known = runs.known_recording(run)
            if known is not None and not run.running and _has_ended(known):
                return known
            try:
                return runs.recording(run, seconds)
            except ConsoleError as error:
                return error

        complete = True
        for node_id, items in self.of_map.items():
            found = self._recordings[node_id] = []
            for run, recording in zip(items, runs.parallel(read, items[:READ]), strict=False):
                if isinstance(recording, Recording):
                    found.append((run, recording))
                    complete = complete and recording.complete
                else:
                    add_problem(self._problems, "items of a Map", recording)
        return complete

    def all(self) -> list[Run]:
        of_tasks = self._of_tasks()
        runs = self._console.runs
        runs.detail(of_tasks, READ)
        for run in (one for found in self.of_map.values() for one in found[:READ]):
            if run.status == "FAILED" and run.error is None:  # the emulator's history has no end
                try:
                    run.error = runs.describe(run.arn).get("error")
                except ConsoleError as error:
                    add_problem(self._problems, "items of a Map", error)
        return [*(one for runs in self.of_map.values() for one in runs), *of_tasks]

    def histories(self, node_id: str) -> Iterator[tuple[Run, History]]:
        """Items of a Distributed Map with their histories; what failed first.

        Each history is locked until the next one is asked for.
        """
        for run, recording in self._recordings.get(node_id, []):
            with recording.lock:
                yield run, recording.history

    def complete(self, states: dict[str, dict[str, Any]]) -> None:
        """Add to the states of a run what its Distributed Maps' items did."""
        for node_id, described in self.maps.items():
            states[node_id]["map"] = map_counts(described.get("itemCounts", {}))
            first: dict[str, None] = {}
            for _, history in self.histories(node_id):
                for inner, one in history.summaries().items():
                    target = f"{node_id}/{inner}"
                    if target in states and one["visits"]:
                        taken = [END if to == END else f"{node_id}/{to}" for to in one["taken"]]
                        states[target] = _together(states[target], one | {"taken": taken})
                for visit in history.root.visits[:1]:
                    first[f"{node_id}/{visit.node.id}"] = None
            states[node_id]["taken"] = [*states[node_id]["taken"], *first]

    def of_node(self, node: Node) -> tuple[Run, Recording, str] | None:
        """An item of a Distributed Map that came to a state inside it, and the state's id there."""
        for node_id, recordings in self._recordings.items():
            inner = node.id.removeprefix(f"{node_id}/")
            for run, recording in recordings if inner != node.id else ():
                with recording.lock:
                    if recording.history.visits_of(inner):
                        return run, recording, inner
        return None

    def _of_map_run(self, arn: str) -> Iterator[Run]:
        runs = self._console.runs
        try:
            for item in self._console.aws.pages(
                "stepfunctions", "list_executions", "executions", most=MOST, mapRunArn=arn
            ):
                runs.note(item)
                yield runs.by_id[run_id(item["executionArn"])]
        except ConsoleError as error:
            add_problem(self._problems, "items of a Map", error)

    def _of_tasks(self) -> list[Run]:
        runs = self._console.runs
        with self._recording.lock:
            arns = dict.fromkeys(
                arn
                for visit in self._recording.history.visits
                for attempt in visit.attempts
                if (arn := started_execution(attempt))
            )

        def get(arn: str) -> Run | ConsoleError | None:
            try:
                return runs.get(run_id(arn))
            except NotFoundError:
                return None
            except ConsoleError as error:
                return error

        found: list[Run] = []
        for child in runs.parallel(get, list(arns)[:MOST]):
            if isinstance(child, Run):
                found.append(child)
            elif child is not None:
                add_problem(self._problems, "child executions", child)
        return found


def _has_ended(recording: Recording) -> bool:
    """Whether nothing is open in a history. The emulator's, of an item, may have no end."""
    with recording.lock:
        visits = recording.history.visits
        return recording.complete and bool(visits) and not any(visit.open for visit in visits)


def _importance(run: Run) -> tuple[int, int]:
    order = {"FAILED": 0, "TIMED_OUT": 0, "RUNNING": 1}
    return order.get(run.status, 2), run.started_at


def _together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two summaries of a state, of different items, as one."""
    if not one["visits"]:
        return other

    def least(name: str) -> Any:
        return min((at for at in (one[name], other[name]) if at is not None), default=None)

    ends = one["stoppedAt"], other["stoppedAt"]
    return one | {
        "status": min(one["status"], other["status"], key=FIRST.index),
        "visits": one["visits"] + other["visits"],
        "attempts": max(one["attempts"], other["attempts"]),
        "startedAt": least("startedAt"),
        "stoppedAt": None if None in ends else max(ends),
        "taken": list(dict.fromkeys([*one["taken"], *other["taken"]])),
        "error": one["error"] or other["error"],
        "waitingSince": least("waitingSince"),
        "timesOutAt": least("timesOutAt"),
    }


def started_execution(attempt: Attempt) -> str | None:
    """ARN of the execution that a task started."""
    if "startExecution" not in attempt.resource:
        return None
    for said in (attempt.output, attempt.cause):  # a failed `.sync` has it in the cause
        for path in ("$.ExecutionArn", "$.executionArn"):
            if isinstance(arn := at_path(path, said), str):
                return arn
    return None


def map_runs(
    console: Console, run: Run, recording: Recording, problems: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The Map Runs of the Distributed Maps that were visited, by node id."""
    with recording.lock:
        visits = [visit for visit in recording.history.visits if visit.node.distributed]
    if not visits:
        return {}
    described = []
    try:
        listed = console.aws.pages(
            "stepfunctions", "list_map_runs", "mapRuns", most=MOST, executionArn=run.arn
        )
        described = console.runs.parallel(
            lambda one: console.aws.call(
                "stepfunctions", "describe_map_run", mapRunArn=one["mapRunArn"]
            ),
            listed,
        )
    except ConsoleError as error:
        add_problem(problems, "items of a Map", error)
    described.sort(key=lambda one: millis(one["startDate"]))
    found: dict[str, dict[str, Any]] = {}
    for visit in visits:
        label = visit.node.definition.get("Label")
        for one in described:
            arn = one["mapRunArn"]
            if arn == visit.map_run or (isinstance(label, str) and f"/{label}:" in arn):
                found[visit.node.id] = one
    unnamed = [visit.node.id for visit in visits if visit.node.id not in found]
    others = [one for one in described if one not in found.values()]
    return found | dict(zip(dict.fromkeys(unnamed), others, strict=False))


def map_counts(counts: dict[str, int]) -> dict[str, int]:
    """Counts of a Map Run's items, as those of any Map."""
    return {
        "total": counts.get("total", 0),
        "succeeded": counts.get("succeeded", 0),
        "failed": counts.get("failed", 0) + counts.get("timedOut", 0),
        "running": counts.get("running", 0),
        "cancelled": counts.get("aborted", 0),
        "pending": counts.get("pending", 0) + counts.get("pendingRedrive", 0),
    }
