"""The timeline of a run: states and functions on one clock."""

from typing import Any

from console.definition import CLUSTERS
from console.history import (
    FAILED,
    RUNNING,
    SUCCEEDED,
    WAITING,
    Attempt,
    History,
    Visit,
)
from console.logs import Invocation

MOST_BARS = 240  # in a row; more are merged where they touch
STATES, FUNCTIONS, EVENTS, OUTSIDE = "State machine", "Functions", "Events", "Outside"


def build(
    history: History, invocations: list[Invocation], titles: dict[str, str], now: int
) -> dict[str, Any]:
    """Timeline of the console's API. `titles`: names of functions for people."""
    rows = [*_state_rows(history), *_function_rows(invocations, titles, now)]
    starts = [bar["start"] for row in rows for bar in row["bars"]]
    start = min([at for at in (history.started_at, *starts) if at], default=now)
    return {"start": start, "end": history.stopped_at, "rows": rows}


def row(group: str, label: str, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"node": None, "link": None, "bars": [], "marks": []}
    return {"id": f"{group}/{more.get('node') or label}", "group": group, "label": label} | (
        nothing | more
    )


def bar(
    start: int, end: int | None, kind: str, status: str, attempt: int | None = None
) -> dict[str, Any]:
    return {"start": start, "end": end, "kind": kind, "status": status, "attempt": attempt}


def _state_rows(history: History) -> list[dict[str, Any]]:
    by_node: dict[str, list[Visit]] = {}
    for visit in history.visits:
        by_node.setdefault(visit.node.id, []).append(visit)
    rows = []
    for node_id, visits in by_node.items():
        bars = [one for visit in visits for one in _bars(visit)]
        depth = len(visits[0].inside.path())
        rows.append(row(STATES, visits[0].node.name, node=node_id, depth=depth, bars=merged(bars)))
    return rows


def _bars(visit: Visit) -> list[dict[str, Any]]:
    if visit.node.type in CLUSTERS or not visit.attempts:
        kind = "wait" if visit.node.type == "Wait" else "work"
        return [bar(visit.entered_at, visit.exited_at, kind, visit.status)]
    found = []
    for attempt in visit.attempts:
        found += _attempt_bars(visit, attempt)
    return found


def _attempt_bars(visit: Visit, attempt: Attempt) -> list[dict[str, Any]]:
    """An attempt: in the queue until AWS starts it, then working, then perhaps waiting."""
    status = attempt.status
    if status == RUNNING and visit.status == WAITING:
        status = WAITING
    n = attempt.n if len(visit.attempts) > 1 else None
    marks = [attempt.scheduled_at]
    kinds = []
    if visit.node.callback:
        if attempt.submitted_at is not None:
            marks.append(attempt.submitted_at)
            kinds.append("work")
        kinds.append("wait")
    else:
        if attempt.started_at is not None and attempt.started_at > attempt.scheduled_at:
            marks.append(attempt.started_at)
            kinds.append("queue")
        kinds.append("work")
    ends: list[int | None] = [*marks[1:], attempt.stopped_at]
    return [
        bar(start, end, kind, status if end is ends[-1] else SUCCEEDED, n)
        for start, end, kind in zip(marks, ends, kinds, strict=True)
    ]


def _function_rows(
    invocations: list[Invocation], titles: dict[str, str], now: int
) -> list[dict[str, Any]]:
    by_function: dict[str, list[Invocation]] = {}
    for one in invocations:
        by_function.setdefault(one.function, []).append(one)
    rows = []
    for function, found in by_function.items():
        bars = []
        for one in found:
            if one.attempt is not None and one.started_at > one.attempt.scheduled_at + 1:
                bars.append(bar(one.attempt.scheduled_at, one.started_at, "queue", SUCCEEDED))
            n = one.attempt.n if one.attempt is not None and one.attempt.n > 1 else None
            bars.append(bar(one.started_at, one.stopped_at, "work", _status(one), n))
        nodes = {one.node for one in found}
        rows.append(
            row(
                FUNCTIONS,
                titles.get(function, function),
                id=f"{FUNCTIONS}/{function}",
                node=nodes.pop() if len(nodes) == 1 else None,
                bars=merged(bars),
            )
        )
    return rows


def _status(one: Invocation) -> str:
    if one.stopped_at is None:
        return RUNNING
    if one.failed:
        return FAILED
    failed = one.attempt is not None and one.attempt.status == FAILED
    synchronous = one.attempt is not None and "waitForTaskToken" not in one.attempt.resource
    return FAILED if failed and synchronous else SUCCEEDED


def merged(bars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Not more than MOST_BARS: bars of the same look that overlap, or lie close, become one."""
    bars = sorted(bars, key=lambda one: (one["start"], one["end"] or 1 << 60))
    gap = 0
    while len(bars) > MOST_BARS:
        kept: list[dict[str, Any]] = []
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for one in bars:
            look = (one["kind"], one["status"])
            before = last.get(look)
            if before is not None and (
                before["end"] is None or before["end"] + gap >= one["start"]
            ):
                if one["end"] is None or before["end"] is None:
                    before["end"] = None
                else:
                    before["end"] = max(before["end"], one["end"])
            else:
                last[look] = {**one, "attempt": None}
                kept.append(last[look])
        bars = kept
        gap = max(1, gap * 4)
    return bars
