"""The page of one run, and the list of all runs."""

import json
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console.aws import BadRequestError
from console.core import Console
from console.polling import now
from console.web import Server

LARGEST_PAYLOAD = 262_144  # bytes of a state's input or output, on AWS
LONGEST_HISTORY = 25_000  # events
PAGE = 100
MOST = 1_000


def routes(server: Server) -> list[Route]:
    return [
        server.get("runs", listed),
        server.get("runs/{id}", page),
    ]


def listed(console: Console, request: Request) -> dict[str, Any]:
    """All runs, newest first, filtered; and the machines with their counts."""
    runs = console.runs
    runs.refresh(older_than=1.0)
    query = request.query_params
    found, following = runs.page(
        query.get("workflow", ""),
        query.get("status", ""),
        query.get("text", ""),
        query.get("before", ""),
        whole(query.get("limit"), PAGE, MOST),
    )
    return {
        "runs": [run.summary() for run in found],
        "next": following,
        "workflows": runs.workflows(now()),
    }


def page(console: Console, request: Request) -> dict[str, Any]:
    """A run with its graph and states."""
    runs = console.runs
    run = runs.get(request.path_params["id"])
    described = runs.describe(run.arn)
    runs._note(described)
    recording = runs.recording(run)
    history = recording.history
    runs.detail([run], 1)
    return {
        "run": run.summary()
        | {
            "arn": run.arn,
            "revision": run.revision,
            "input": value(described.get("input")),
            "output": value(described.get("output")) if run.status == "SUCCEEDED" else None,
            "error": described.get("error") or history.error,
            "cause": described.get("cause") or history.cause,
            "parent": None,
        },
        "graph": recording.definition.graph(),
        "states": history.summaries(now()),
        "history": {"count": len(recording.events), "limit": LONGEST_HISTORY},
        "canStop": run.running,
        "canRedrive": False,
    }


def value(text: str | None) -> Any:
    """JSON as a value; a text that is none as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def whole(text: str | None, default: int, most: int) -> int:
    """A whole number from a query. Raises BadRequestError."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadRequestError(f"{text!r} is not a whole number.")
    return min(int(text), most)
