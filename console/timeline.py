"""The timeline of a run: states and functions on one clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
GROUPS = STATES, FUNCTIONS, EVENTS, OUTSIDE = "State machine", "Functions", "Events", "Outside"


UNANSWERED = "unanswered"  # the status of a hop that had not ended when its run did


@dataclass(frozen=True)
class Hop:
    """A function's or a machine's way from one event to the next."""

    consumer: str  # the title of the function or the machine that took the event
    machine: bool
    start: int  # when the event was put
    begun: int | None  # when the work on it began, if that is known
    end: int | None  # when the next event was put
    status: str
    side_effect: bool  # no task waits for it
    label: str
    link: str | None  # to the event that was taken
    request_id: str | None  # of the invocation that worked on it


def build(
    history: History,
    invocations: list[Invocation],
    titles: dict[str, str],
    now: int,
    hops: Sequence[Hop] = (),
) -> dict[str, Any]:
    """Timeline of the console's API. `titles`: names of functions for people."""
    rows = [*_state_rows(history), *_function_rows(invocations, titles, hops)]
    starts = [bar["start"] for row in rows for bar in row["bars"]]
    start = min([at for at in (history.started_at, *starts) if at], default=now)
    return {"start": start, "end": history.stopped_at, "rows": rows}


def row(group: str, label: str, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"node": None, "link": None, "bars": [], "marks": []}
    return {"id": f"{group}/{more.get('node') or label}", "group": group, "label": label} | (
        nothing | more
    )


def place(one: dict[str, Any]) -> tuple[int, int]:
    """A row's place: by group; events in the order in which they first came."""
    group = GROUPS.index(one["group"])
    first = min((mark["at"] for mark in one["marks"]), default=0)
    return group, first if one["group"] == EVENTS else 0


def bar(
    start: int,
    end: int | None,
    kind: str,
    status: str,
    attempt: int | None = None,
    *,
    label: str | None = None,
    link: str | None = None,
) -> dict[str, Any]:
    """`kind`: work, wait, queue, or hop (waiting and working cannot be told apart)."""
    found: dict[str, Any] = {"start": start, "end": end, "kind": kind, "status": status}
    found["attempt"] = attempt
    return found | {key: one for key, one in (("label", label), ("link", link)) if one}


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


def add_items(rows: list[dict[str, Any]], node_id: str, items: Iterable[History]) -> None:
    """Add what states inside a Distributed Map did for its items, below the Map."""
    at = next((n for n, one in enumerate(rows) if one["node"] == node_id), None)
    if at is None:
        return
    inner: dict[str, dict[str, Any]] = {}
    for history in items:
        for one in _state_rows(history):
            depth = rows[at]["depth"] + one["depth"] + 1
            node = f"{node_id}/{one['node']}"
            known = inner.setdefault(node, row(STATES, one["label"], node=node, depth=depth))
            known["bars"] = merged([*known["bars"], *one["bars"]])
    rows[at + 1 : at + 1] = inner.values()


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
    invocations: list[Invocation], titles: dict[str, str], hops: Sequence[Hop]
) -> list[dict[str, Any]]:
    """Of each function its invocations, and the hops from event to event that they were part of."""
    by_function: dict[str, list[Invocation]] = {}
    for one in invocations:
        by_function.setdefault(one.function, []).append(one)
    by_consumer: dict[str, list[Hop]] = {}
    for hop in hops:
        by_consumer.setdefault(hop.consumer, []).append(hop)
    rows = []
    for function, found in by_function.items():
        title = titles.get(function, function)
        own = by_consumer.pop(title, [])
        nodes = {one.node for one in found}
        bars = [*_invocation_bars(found, own), *_hop_bars(own)]
        node = nodes.pop() if len(nodes) == 1 else None
        rows.append(_function_row(title, function, node, bars))
    starts = [hop for hop in hops if hop.machine]
    rows += [
        _function_row(title, title, None, _hop_bars(own))
        for title, own in by_consumer.items()
        if not own[0].machine
    ]
    if starts:
        rows.append(row(OUTSIDE, "Start of the run", bars=merged(_hop_bars(starts))))
    return rows


def _function_row(
    title: str, function: str, node: str | None, bars: list[dict[str, Any]]
) -> dict[str, Any]:
    identifier = f"{FUNCTIONS}/{function}"
    return row(FUNCTIONS, title, id=identifier, node=node, bars=merged(bars))


def _invocation_bars(found: list[Invocation], hops: list[Hop]) -> list[dict[str, Any]]:
    by_request = {hop.request_id: hop for hop in hops}
    bars = []
    for one in found:
        if one.attempt is not None and one.started_at > one.attempt.scheduled_at + 1:
            bars.append(bar(one.attempt.scheduled_at, one.started_at, "queue", SUCCEEDED))
        n = one.attempt.n if one.attempt is not None and one.attempt.n > 1 else None
        hop = by_request.get(one.request_id)
        more = {"label": hop.label, "link": hop.link} if hop else {}
        bars.append(bar(one.started_at, one.stopped_at, "work", _status(one), n, **more))
    return bars


def _hop_bars(hops: list[Hop]) -> list[dict[str, Any]]:
    """From the event to the work on it; the whole hop if it is not known when that began."""
    bars = []
    for hop in hops:
        kind, end = "hop", hop.end
        if hop.begun is not None:
            kind, end = "queue", hop.begun
        elif hop.machine:
            kind = "queue"
        elif hop.end is None:
            kind = "wait"
        if end is None or end > hop.start or kind != "queue":
            bars.append(bar(hop.start, end, kind, hop.status, label=hop.label, link=hop.link))
    return bars


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
                last[look] = bar(one["start"], one["end"], *look)
                kept.append(last[look])
        bars = kept
        gap = max(1, gap * 4)
    return bars
