"""Every open callback: the tasks that wait until somebody returns their task token.

The tokens stay on the server. The page names a task by its run, its state and the attempt.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console.aws import BadRequestError, NotFoundError
from console.core import Console
from console.history import WAITING, History, Inside, Visit, number, token_values
from console.runs import Run, Runs
from console.values import parsed
from console.web import Server

READ_AT_ONCE = 200  # histories of running executions that one request reads
MOST = 1_000  # callbacks that a page gets
LOOK_AT_THE_RUN = "Look at the run. If the task still waits, do it again: its first result counts."
LARGEST_OUTPUT = 262_144  # bytes, SendTaskSuccess
LONGEST_ERROR, LONGEST_CAUSE = 256, 32_768  # characters, SendTaskFailure


@dataclass(frozen=True)
class Callback:
    """A task that waits."""

    run: Run
    visit: Visit
    number: int  # of the visit, among all of the run
    run_times_out_at: int | None  # by the machine's own TimeoutSeconds

    @property
    def id(self) -> str:
        """Names the task as long as it waits: a retry is another one."""
        named = f"{self.run.id} {self.number} {len(self.visit.attempts)}"
        return sha256(named.encode()).hexdigest()[:24]

    @property
    def token(self) -> str | None:
        """The task token of the attempt that waits."""
        return next(reversed(list(token_values(self.visit))), None)

    def as_dict(self, console: Console) -> dict[str, Any]:
        visit = self.visit
        resource = visit.node.short_resource()
        attempt = visit.attempts[-1]
        return {
            "id": self.id,
            "run": self.run.summary(),
            "node": visit.node.id,
            "state": visit.node.name,
            "item": item_of(visit.inside),
            "since": visit.waiting_since,
            "timesOutAt": visit.times_out_at(),
            "runTimesOutAt": self.run_times_out_at,
            "heartbeatSeconds": visit.node.definition.get("HeartbeatSeconds"),
            "resource": console.inventory.title("function", resource) if resource else None,
            "attempt": attempt.n,
            "comment": visit.node.definition.get("Comment"),
            "parameters": parsed(attempt.parameters),
            "answerable": self.token is not None,
        }


def item_of(inside: Inside) -> int | None:
    """The index of the innermost Map item that a visit is part of."""
    for cluster, index in reversed(inside.path()):
        owner = inside.owner
        while owner is not None and owner.node.id != cluster:
            owner = owner.inside.owner
        if owner is not None and owner.node.type == "Map":
            return index
    return None


def open_callbacks(run: Run, history: History) -> Iterator[Callback]:
    """The tasks of a run that wait for a callback."""
    seconds = number(history.definition.source.get("TimeoutSeconds"))
    ends = run.started_at + round(seconds * 1000) if seconds else None
    for n, visit in enumerate(history.visits):
        if visit.node.callback and visit.status == WAITING and visit.attempts:
            yield Callback(run, visit, n, ends)


def callbacks(runs: Runs) -> tuple[list[Callback], bool]:
    """All open callbacks, longest waiting first, and whether these are all."""
    running = runs.running()
    runs.detail(running, READ_AT_ONCE)
    found: list[Callback] = []
    unread = False
    for run in running:
        recording = runs.known_recording(run)
        if recording is None or not recording.complete:
            unread = True
        if recording is not None and run.running:
            with recording.lock:
                found += open_callbacks(run, recording.history)
    found.sort(key=lambda one: (one.visit.waiting_since or 0, one.run.id, one.number))
    return found, not unread


# -- The page's requests --------------------------------------------------------------------------


def listed(console: Console, request: Request) -> dict[str, Any]:
    """All open callbacks, longest waiting first."""
    runs = console.runs
    runs.refresh(older_than=1.0)
    found, complete = callbacks(runs)
    return {
        "waiting": [one.as_dict(console) for one in found[:MOST]],
        "total": len(found),
        "complete": complete,
        "problems": runs.problems(),
    }


def complete(console: Console, request: Request) -> dict[str, Any]:
    """Complete a task with a result."""
    if "output" not in request.state.body:
        raise BadRequestError("The request has no `output`.")
    output = json.dumps(request.state.body["output"], ensure_ascii=False)
    if len(output.encode()) > LARGEST_OUTPUT:
        raise BadRequestError(f"The output is larger than {LARGEST_OUTPUT} bytes.")
    if console.redaction.is_redacted(output):
        raise BadRequestError("The output has a place where a secret is hidden. Replace it.")
    waiting = _one(console, request)
    return _answer(console, waiting, "send_task_success", output=output)


def fail(console: Console, request: Request) -> dict[str, Any]:
    """Fail a task."""
    error, cause = (request.state.body.get(name, "") for name in ("error", "cause"))
    if not isinstance(error, str) or not isinstance(cause, str) or not error.strip():
        raise BadRequestError("The request needs an `error`, the error's name.")
    if len(error) > LONGEST_ERROR or len(cause) > LONGEST_CAUSE:
        raise BadRequestError(
            f"An error has at most {LONGEST_ERROR} characters, a cause {LONGEST_CAUSE}."
        )
    waiting = _one(console, request)
    return _answer(console, waiting, "send_task_failure", error=error.strip(), cause=cause)


def _one(console: Console, request: Request) -> Callback:
    wanted = request.path_params["id"]
    runs = console.runs
    found, _ = callbacks(runs)
    for waiting in found:
        if waiting.id == wanted:
            recording = runs.recording(waiting.run)  # what is known may be old
            with recording.lock:
                for now in open_callbacks(waiting.run, recording.history):
                    if now.id == wanted:
                        return now
    raise NotFoundError("The task does not wait any more.")


def _answer(
    console: Console, waiting: Callback, operation: str, **arguments: Any
) -> dict[str, Any]:
    token = waiting.token
    if token is None:
        raise BadRequestError(
            "The history does not show this task's token.", "Only its own consumer can complete it."
        )
    console.redaction.learn([token])
    # A task takes one result: a second request changes nothing.
    console.aws.change("stepfunctions", operation, LOOK_AT_THE_RUN, taskToken=token, **arguments)
    console.runs.look_now([waiting.run.arn])
    return {"run": waiting.run.id}


def routes(server: Server) -> list[Route]:
    return [
        server.get("waiting", listed),
        server.post("waiting/{id}/complete", complete),
        server.post("waiting/{id}/fail", fail),
    ]
