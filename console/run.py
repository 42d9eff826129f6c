"""The page of one run, and the list of all runs."""

import json
import math
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console import copy_as_test, events, timeline
from console.aws import (
    BadRequestError,
    ConsoleError,
    NotAllowedError,
    NotFoundError,
    add_problem,
)
from console.child_runs import ChildRuns, started_execution
from console.core import Console
from console.definition import Node
from console.event_catalogue import Catalogue
from console.history import (
    CANCELLED,
    CAUGHT,
    FAILED,
    RUNNING,
    SUCCEEDED,
    WAITING,
    Attempt,
    History,
    Inside,
    Visit,
    at_path,
    details_of,
    message,
    millis,
    text,
)
from console.hops import Hops
from console.links import Link, left_behind, puts_items, trigger
from console.logs import Invocation, RunLog, selected
from console.polling import now
from console.redaction import Keyed
from console.runs import Recording, Run, machine_name, run_id
from console.table_items import TableKeys
from console.topology import METHODS, RULES
from console.values import parsed
from console.waiting import open_callbacks
from console.web import Server, prefers_soon

LARGEST_PAYLOAD = 262_144  # bytes of a state's input or output, on AWS
LONGEST_HISTORY = 25_000  # events
PAGE = 100
MOST = 1_000
MOST_LOG_LINES = 5_000
PATIENCE = 0.12  # seconds that a run's page waits for AWS; the rest comes with the next update
PATIENCE_OF_OTHERS = 60.0  # seconds, for who is not told of updates
_STATUS_OF_RUN = {
    "SUCCEEDED": SUCCEEDED,
    "FAILED": FAILED,
    "TIMED_OUT": FAILED,
    "ABORTED": CANCELLED,
}


def routes(server: Server) -> list[Route]:
    page = Page(server)
    return [
        server.get("runs", listed),
        server.get("runs/{id}", page.answer),
        server.get("runs/{id}/states/{node:path}", page.state),
        server.get("runs/{id}/map/{node:path}", items),
        server.get("runs/{id}/log", log),
        server.get("runs/{id}/history", history),
        server.get("runs/{id}/raw", raw),
        server.get("runs/{id}/test", test),
        server.post("runs/{id}/stop", stop),
        server.post("runs/{id}/redrive", redrive),
        server.post("runs/{id}/rerun", rerun),
    ]


# -- All runs -------------------------------------------------------------------------------------


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
    for run in found:
        run.wanted = True
    return {
        "runs": [run.summary() for run in found],
        "next": following,
        "workflows": runs.workflows(now()),
        "problems": [*console.inventory.problems, *runs.problems()],
    }


# -- One run --------------------------------------------------------------------------------------


class Page:
    """A run with its graph, states and timeline, and each of its states."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.hops = Hops(Catalogue.read(server.console.catalogue))

    def answer(self, console: Console, request: Request) -> dict[str, Any]:
        """A run. Of what takes longer to read, the live event `run` tells when it is there."""
        deadline = until_answer(request)
        runs = console.runs
        run, described = runs.opened(request.path_params["id"])
        problems: list[dict[str, Any]] = []
        try:
            recording = runs.recording(run, remaining(deadline))
        except NotAllowedError as error:
            add_problem(problems, "the run's history", error)
            recording = runs.without_history(run)
        found, log_complete = self._log(console, run, recording, deadline)
        started = self._children(console, run, recording, problems, deadline)
        children = started.all()
        started_in = parent(console, described, problems)
        topology = console.topology_soon(remaining(deadline))
        if topology is not None:  # they say what has started it
            problems += [one for one in topology.problems if one["what"] in (RULES, METHODS)]
        entries = _events(console, run, problems)
        hops = self.hops.of(console, run, recording.definition, found, topology, entries)
        rows = events.on_timeline(entries, run)
        for what, contribute in self.server.contributions.items():
            try:
                rows += contribute(console, run)
            except ConsoleError as error:
                add_problem(problems, what, error)
        started_by = events.starting(entries, run.id)
        triggers = trigger(console, described, found, topology, started_by)
        remains = self._remains(console, run, problems)
        keys = self._keys(console, recording, problems, deadline)
        with recording.lock:
            seen = recording.history
            states = seen.summaries()
            drawn = timeline.build(seen, found.invocations, _titles(console), now(), hops)
            made = left_behind(console, seen, run.name, topology, keys)
            answer = {
                "run": run.summary()
                | {
                    "arn": run.arn,
                    "revision": run.revision,
                    "input": parsed(described.get("input")),
                    "output": parsed(described.get("output"))
                    if run.status == "SUCCEEDED"
                    else None,
                    "error": described.get("error") or seen.error,
                    "cause": described.get("cause") or seen.cause,
                    "parent": started_in,
                },
                "graph": recording.definition.graph(),
                "payload": payload(seen),
                "history": {
                    "count": len(recording.events),
                    "limit": LONGEST_HISTORY,
                    "complete": recording.complete,
                },
            }
        started.complete(states)
        for node_id in started.maps:
            items = (history for _, history in started.histories(node_id))
            timeline.add_items(drawn["rows"], node_id, items)
        drawn["rows"] = sorted([*drawn["rows"], *rows], key=timeline.place)
        return answer | {
            "states": Keyed(states),
            "timeline": drawn,
            "trigger": [link.as_dict() for link in triggers],
            # What other pages know says it better.
            "leftBehind": [
                link.as_dict()
                for link in ({one.href or one.label: one for one in made} | remains).values()
            ],
            "children": [child.summary() for child in children],
            "canStop": run.running and console.writable,
            "canRedrive": described.get("redriveStatus") == "REDRIVABLE" and console.writable,
            "stale": not self.server.poller.state["connected"],
            "logComplete": log_complete,
            "problems": [*problems, *found.problems],
        }

    def state(self, console: Console, request: Request) -> dict[str, Any]:
        """What one visit of a state did."""
        deadline = until_answer(request)
        run, recording = _recording(console, request, deadline)
        node = _node(recording, request)
        query = request.query_params
        item = whole(query.get("item"), 0, 1 << 31) if query.get("item") else None
        problems: list[dict[str, Any]] = []
        with recording.lock:
            visits = recording.history.visits_of(node.id, item)
        if not visits and node.cluster:
            started = self._children(console, run, recording, problems, deadline)
            if inside := started.of_node(node):
                found = self._of_item(console, *inside, deadline)
                return found | {"node": node.id, "problems": [*problems, *found["problems"]]}
        if not visits:
            return _plain(recording, node) | {
                "status": "notReached",
                "visits": 0,
                "facts": _facts_of_node(console, node),
                "note": None,
                "input": None,
                "output": None,
                "parameters": None,
                "attempts": [],
                "log": [],
                "map": None,
                "callback": None,
                "problems": problems,
            }
        number = min(whole(query.get("visit"), len(visits) - 1, MOST * MOST), len(visits) - 1)
        return self._visited(console, run, recording, visits, number, deadline)

    def _visited(
        self,
        console: Console,
        run: Run,
        recording: Recording,
        visits: list[Visit],
        number: int,
        deadline: float,
    ) -> dict[str, Any]:
        """What a state did, of several visits in the one with a number."""
        visit = visits[number]
        node = visit.node
        found = RunLog()
        if visit.attempts:
            found, _ = self._log(console, run, recording, deadline)
        titles = _titles(console)
        with recording.lock:
            mine = [one for a in visit.attempts if (one := found.of_attempt(a)) is not None]
            return _plain(recording, node) | {
                "status": visit.status,
                "visits": len(visits),
                "visit": number,
                "facts": [
                    *_facts_of_node(console, node),
                    *_facts(console, recording.history, visit, mine),
                ],
                "note": note(visit),
                "input": parsed(visit.input),
                "output": parsed(visit.output),
                "parameters": parsed(visit.attempts[-1].parameters) if visit.attempts else None,
                "attempts": [_attempt(a, found.of_attempt(a)) for a in visit.attempts],
                "log": [
                    line.as_dict(titles.get(line.function, line.function))
                    for one in mine
                    for line in one.lines
                ],
                "map": recording.history.map_counts(visit) if node.type == "Map" else None,
                "callback": next(
                    (
                        {"id": one.id, "state": node.name, "run": run.summary()}
                        | {"answerable": one.token is not None}
                        for one in open_callbacks(run, recording.history)
                        if one.visit is visit
                    ),
                    None,
                ),
                "problems": found.problems,
            }

    def _of_item(
        self, console: Console, child: Run, recording: Recording, node_id: str, deadline: float
    ) -> dict[str, Any]:
        """What a state inside a Distributed Map did for one item."""
        with recording.lock:
            visits = recording.history.visits_of(node_id)
        found = self._visited(console, child, recording, visits, len(visits) - 1, deadline)
        link = Link("execution", child.label, f"runs/{child.id}").as_dict()
        return found | {"facts": [_fact("Of the item", child.label, link), *found["facts"]]}

    def _children(
        self,
        console: Console,
        run: Run,
        recording: Recording,
        problems: list[dict[str, Any]],
        deadline: float,
    ) -> ChildRuns:
        """What the run has started. What takes longer to read comes with the next update."""
        started = ChildRuns(console, run, recording, problems)
        if not started.read(remaining(deadline)):

            def tell(done: Future[bool]) -> None:
                with suppress(Exception):
                    if done.result():
                        self._tell_of(run)

            self.server.background.submit(started.read).add_done_callback(tell)
        return started

    def _remains(
        self, console: Console, run: Run, problems: list[dict[str, Any]]
    ) -> dict[str, Link]:
        """What other pages know the run to have left behind."""
        found: dict[str, Link] = {}
        for what, remains in self.server.remains.items():
            try:
                found |= {link.href or link.label: link for link in remains(console, run)}
            except ConsoleError as error:
                add_problem(problems, what, error)
        return found

    def _keys(
        self,
        console: Console,
        recording: Recording,
        problems: list[dict[str, Any]],
        deadline: float,
    ) -> TableKeys | None:
        """What names the items that the run has put, if that is known in time."""
        with recording.lock:
            if not puts_items(recording.history):
                return None
        try:
            keys = console.table_keys_soon(remaining(deadline))
        except ConsoleError as error:
            add_problem(problems, "keys of tables", error)
            return None
        if keys is not None:
            problems += keys.problems
        return keys

    def _tell_of(self, run: Run) -> None:
        """Pages that show the run fetch it again."""
        run.revision += 1
        self.server.poller.tell_of(run)

    def _log(
        self, console: Console, run: Run, recording: Recording, deadline: float
    ) -> tuple[RunLog, bool]:
        """The run's log, or what is known of it if reading takes longer than a page should."""
        known = console.logs.known(run)
        if not recording.complete:  # the history says where to look
            return known or RunLog(), False

        def read() -> RunLog:
            return console.logs.of(run, recording, console.inventory, now())

        reading: Future[RunLog] = self.server.background.submit(read)
        try:
            return reading.result(remaining(deadline)), True
        except NotYetError:
            before = len(known.lines()) if known else -1

            def tell(done: Future[RunLog]) -> None:
                with suppress(Exception):
                    if len(done.result().lines()) != before:
                        self._tell_of(run)

            reading.add_done_callback(tell)
            return known or RunLog(), False


def _events(console: Console, run: Run, problems: list[dict[str, Any]]) -> list[events.Entry]:
    """The run's events, if the stack has an event log that can be read."""
    try:
        log = console.event_log()
        return log.of_run(run.id) if log is not None else []
    except ConsoleError as error:
        add_problem(problems, "events", error)
        return []


def until_answer(request: Request) -> float:
    """The time.monotonic() until which a request waits for AWS."""
    return time.monotonic() + (PATIENCE if prefers_soon(request) else PATIENCE_OF_OTHERS)


def remaining(deadline: float) -> float:
    """Seconds until then."""
    return max(0.0, deadline - time.monotonic())


def payload(seen: History) -> dict[str, Any]:
    """The largest input or output of a state."""
    largest, name = 0, None
    for visit in seen.visits:
        for payload_text in (visit.input, visit.output):
            if payload_text is not None and len(payload_text) * 4 > largest:
                size = len(payload_text.encode())
                if size > largest:
                    largest, name = size, visit.node.name
    return {"bytes": largest, "limit": LARGEST_PAYLOAD, "state": name}


def parent(
    console: Console, described: dict[str, Any], problems: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """The run that started this one."""
    arn = at_path("$.AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", described.get("input"))
    if not isinstance(arn, str) and described.get("mapRunArn"):
        try:
            arn = console.aws.call(
                "stepfunctions", "describe_map_run", mapRunArn=described["mapRunArn"]
            )["executionArn"]
        except ConsoleError as error:
            add_problem(problems, "the run that started this one", error)
    if not isinstance(arn, str) or ":execution:" not in arn:
        return None
    machine = console.inventory.machine(machine_name(arn))
    return {
        "id": run_id(arn),
        "title": machine.title if machine else machine_name(arn),
        "name": arn.rpartition(":")[2],
    }


# -- One state ------------------------------------------------------------------------------------


def _plain(recording: Recording, node: Node) -> dict[str, Any]:
    """What is known of a state before it is visited."""
    return {
        "node": node.id,
        "name": node.name,
        "type": node.type,
        "definition": json.dumps(node.definition, ensure_ascii=False, indent=2),
        "complete": recording.complete,
    }


def _node(recording: Recording, request: Request) -> Node:
    node_id = request.path_params["node"]
    node = recording.definition.nodes.get(node_id)
    if node is None:
        raise NotFoundError(f"The machine has no state {node_id}.")
    return node


def _attempt(attempt: Attempt, one: Invocation | None) -> dict[str, Any]:
    return {
        "n": attempt.n,
        "startedAt": attempt.scheduled_at,
        "stoppedAt": attempt.stopped_at,
        "status": attempt.status,
        "error": attempt.error,
        "cause": attempt.cause,
        "output": parsed(attempt.output),
        "requestId": (one.request_id if one else None) or attempt.request_id,
        "coldStartMs": one.init_ms if one else None,
        "cold": one.cold if one else None,
        "durationMs": one.duration_ms if one else None,
    }


def _fact(term: str, text: str, link: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"term": term, "text": text, "link": link}


def _facts_of_node(console: Console, node: Node) -> list[dict[str, Any]]:
    kind = f"{node.type}, waits for a task token" if node.callback else node.type
    facts = [_fact("Type", kind)]
    if node.type == "Map":
        most = node.definition.get("MaxConcurrency")
        if node.distributed:
            facts = [_fact("Type", "Map, each item is an execution of its own")]
        if most:
            facts.append(_fact("Concurrency", f"{most} at once"))
    comment = node.definition.get("Comment")
    if isinstance(comment, str) and comment:
        facts.append(_fact("Comment", comment))
    return facts


def _facts(
    console: Console, seen: History, visit: Visit, mine: list[Invocation]
) -> list[dict[str, Any]]:
    facts = []
    if visit.node.resource:
        said = visit.node.short_resource() or ""
        said = console.inventory.title("function", said)
        if mine:
            last = mine[-1]
            if last.duration_ms is not None:
                said += f" · {duration(last.duration_ms)}"
            if last.init_ms is not None:
                said += f", cold start {duration(last.init_ms)}"
            elif last.cold:
                said += ", cold start"
        facts.append(_fact("Resource", said))
    if len(visit.attempts) > 1:
        facts.append(_fact("Attempts", str(len(visit.attempts))))
    if visit.exited_at is not None and visit.exited_at > visit.entered_at:
        facts.append(_fact("Took", duration(visit.exited_at - visit.entered_at)))
    facts += [
        _fact(f"Item of {node_id.rpartition('/')[2]}", str(index))
        for node_id, index in visit.inside.path()
        if seen.definition.nodes[node_id].type == "Map"
    ]
    for attempt in visit.attempts:
        if arn := started_execution(attempt):
            link = Link("execution", arn.rpartition(":")[2], f"runs/{run_id(arn)}").as_dict()
            facts.append(_fact("Started", arn.rpartition(":")[2], link))
    return facts


def note(visit: Visit) -> dict[str, Any] | None:
    """What one wants to know first: why it waits, what its error is.

    A sentence, with since when that is so, or with what happened when: {"what": "Failed", "at": …}.
    """
    if visit.status == WAITING:
        since = visit.waiting_since or visit.entered_at
        if visit.node.type == "Wait":
            return _note(visit, "Waiting", since=since)
        times_out = visit.times_out_at()
        more = None if times_out else "It has no timeout of its own."
        found = _note(visit, "Waiting for a callback", since=since, more=more)
        return found | {"timesOutAt": times_out}
    if visit.status in (FAILED, CAUGHT) and visit.error:
        cause = message(visit.cause)
        said = f"{visit.error}: {cause}" if cause else visit.error
        what = "Failed" if visit.status == FAILED else "Caught"
        return _note(visit, said, what=what, at=visit.exited_at)
    if visit.status == RUNNING and visit.attempts and visit.attempts[-1].status == FAILED:
        last = visit.attempts[-1]
        said, more = f"Attempt {last.n}: {last.error}", "Another attempt follows."
        return _note(visit, said, what="Failed", at=last.stopped_at, more=more)
    return None


def _note(
    visit: Visit,
    said: str,
    since: int | None = None,
    what: str | None = None,
    at: int | None = None,
    more: str | None = None,
) -> dict[str, Any]:
    happened = {"what": what, "at": at} if what and at is not None else None
    return {
        "status": visit.status,
        "text": said,
        "since": since,
        "happened": happened,
        "more": more,
        "timesOutAt": None,
    }


# -- Items of a Map -------------------------------------------------------------------------------


def items(console: Console, request: Request) -> dict[str, Any]:
    """The items of a Map's last visit."""
    run, recording = _recording(console, request, until_answer(request))
    node = _node(recording, request)
    if node.type != "Map":
        raise BadRequestError(f"{node.name} is no Map.")
    query = request.query_params
    words = query.get("text", "").lower().split()
    wanted = query.get("status", "").split(",") if query.get("status") else []
    offset = whole(query.get("offset"), 0, 1 << 31)
    limit = whole(query.get("limit"), PAGE, MOST)
    problems: list[dict[str, Any]] = []
    children: list[Run] = []
    if node.distributed:
        children = ChildRuns(console, run, recording, problems).of_map.get(node.id, [])

    def asked(status: str, text: str) -> bool:
        return (not wanted or status in wanted) and all(word in text.lower() for word in words)

    with recording.lock:
        visits = recording.history.visits_of(node.id)
        insides = visits[-1].current() if visits and not node.distributed else {}
        of_item = [
            (index, inside)
            for index, inside in sorted(insides.items())
            if asked(inside.status, f"{inside.input} {inside.error}")
        ]
        of_run = [
            one for one in children if asked(_status_of(one), f"{one.label} {one.name} {one.error}")
        ]
        chosen = slice(offset, offset + limit)
        return {
            "items": [
                *(_item(index, inside) for index, inside in of_item[chosen]),
                *(_child(one) for one in of_run[chosen]),  # of these two only one has any
            ],
            "total": len(of_item) + len(of_run),
            "counts": recording.history.map_counts(visits[-1]) if visits else None,
            "complete": recording.complete,
            "problems": problems,
        }


def _item(index: int, inside: Inside) -> dict[str, Any]:
    last = inside.visits[-1] if inside.visits else None
    return {
        "index": index,
        "status": inside.status,
        "startedAt": inside.started_at,
        "stoppedAt": inside.stopped_at,
        "error": inside.error,
        "state": last.node.name if last else None,
        "label": short_value(inside.input),
    }


def _child(run: Run) -> dict[str, Any]:
    """An item of a Distributed Map: Step Functions does not tell its place among the items."""
    return {
        "index": None,
        "run": run.id,
        "status": _status_of(run),
        "startedAt": run.started_at,
        "stoppedAt": run.stopped_at,
        "error": run.error,
        "state": run.failed_state,
        "label": run.label,
    }


def _status_of(run: Run) -> str:
    """A run's status, as that of an item."""
    return _STATUS_OF_RUN.get(run.status, RUNNING)


def short_value(given: str | None) -> str:
    """An item's input in one line."""
    found = parsed(given)
    if isinstance(found, str):
        return found[:80]
    if isinstance(found, dict):
        plain = {key: one for key, one in found.items() if isinstance(one, str | int | float)}
        kept = {key: one for key, one in plain.items() if not str(one).startswith("arn:")}
        return ", ".join(f"{key} {one}" for key, one in kept.items())[:80]
    return json.dumps(found, ensure_ascii=False)[:80]


# -- Log, history, raw ----------------------------------------------------------------------------


def log(console: Console, request: Request) -> dict[str, Any]:
    """All lines of the run, of every function, in one stream."""
    problems: list[dict[str, Any]] = []
    try:
        run, recording = _recording(console, request, math.inf)
    except NotAllowedError as error:  # functions name their run, too
        run = console.runs.get(request.path_params["id"])
        recording = console.runs.without_history(run)
        add_problem(problems, "the run's history", error)
    found = console.logs.of(run, recording, console.inventory, now())
    query = request.query_params
    lines = selected(
        found.lines(),
        query.get("text", ""),
        query.get("level", ""),
        query.get("function", ""),
        query.getlist("field"),
    )
    titles = _titles(console)
    return {
        "lines": [
            line.as_dict(titles.get(line.function, line.function))
            for line in lines[:MOST_LOG_LINES]
        ],
        "truncated": found.truncated or len(lines) > MOST_LOG_LINES,
        "functions": sorted({titles.get(one.function, one.function) for one in found.invocations}),
        "problems": [*problems, *found.problems],
    }


def history(console: Console, request: Request) -> dict[str, Any]:
    """The events of the run's history, as a table."""
    _, recording = _recording(console, request, until_answer(request))
    query = request.query_params
    offset = whole(query.get("offset"), 0, 1 << 31)
    limit = whole(query.get("limit"), 500, MOST)
    with recording.lock:
        events = recording.events[offset : offset + limit]
        return {
            "events": [_event(event, recording.history) for event in events],
            "total": len(recording.events),
            "complete": recording.complete,
        }


def _event(event: dict[str, Any], seen: History) -> dict[str, Any]:
    details = details_of(event)
    return {
        "id": event["id"],
        "previous": event.get("previousEventId", 0),
        "at": millis(event.get("timestamp")),
        "type": event["type"],
        "state": details.get("name") or _name_of(seen, event["id"]),
        "node": seen.name_of_event.get(event["id"]),
        "summary": summary_of(details),
        "details": {key: parsed(one) for key, one in details.items()},
    }


def _name_of(seen: History, event_id: int) -> str | None:
    node = seen.definition.nodes.get(seen.name_of_event.get(event_id, ""))
    return node.name if node else None


def summary_of(details: dict[str, Any]) -> str:
    """An event in one line."""
    if details.get("error"):
        said = message(text(details.get("cause")))
        return f"{details['error']}: {said}"[:200] if said else str(details["error"])
    for name in ("resource", "index", "length"):
        if details.get(name) is not None:
            return f"{name} {details[name]}" if name != "resource" else str(details[name])
    for name in ("output", "input"):
        if isinstance(details.get(name), str):
            return details[name][:200]  # type: ignore[no-any-return]
    return ""


def raw(console: Console, request: Request) -> dict[str, Any]:
    """The execution and its history as AWS returns them."""
    run, recording = _recording(console, request, math.inf)
    described = {
        key: one for key, one in console.runs.describe(run.arn).items() if key != "ResponseMetadata"
    }
    with recording.lock:
        return {
            "execution": _json(described),
            "definition": recording.definition.source,
            "events": [_json(event) for event in recording.events],
        }


def _json(described: dict[str, Any]) -> dict[str, Any]:
    dates = {key: one.isoformat() for key, one in described.items() if hasattr(one, "isoformat")}
    return described | dates


def test(console: Console, request: Request) -> dict[str, Any]:
    """The run as a pytest case."""
    run, recording = _recording(console, request, math.inf)
    with recording.lock:
        return copy_as_test.of(
            console.redaction, run.name, run.arn, recording.definition, recording.history
        )


# -- Writing --------------------------------------------------------------------------------------


def stop(console: Console, request: Request) -> dict[str, Any]:
    """Stop a run."""
    run = console.runs.get(request.path_params["id"])
    console.aws.change(
        "stepfunctions",
        "stop_execution",
        "Look at the run. If it still runs, stop it again.",
        executionArn=run.arn,
        error="Stopped",
        cause="Stopped by a person in the console",
    )
    console.runs.note_soon(run.arn)
    return {"id": run.id}


def redrive(console: Console, request: Request) -> dict[str, Any]:
    """Continue a failed run from the state that failed."""
    run = console.runs.get(request.path_params["id"])
    console.aws.change(
        "stepfunctions",
        "redrive_execution",
        "Look at the run. If it does not run, redrive it again.",
        executionArn=run.arn,
    )
    console.runs.note_soon(run.arn)
    return {"id": run.id}


def rerun(console: Console, request: Request) -> dict[str, Any]:
    """Start the machine again with the same input, or an edited one."""
    run = console.runs.get(request.path_params["id"])
    machine = console.inventory.machine(run.machine)
    if machine is None:
        raise BadRequestError(f"The machine {run.title} is not part of this stack.")
    body = request.state.body
    given = (
        json.dumps(body["input"], ensure_ascii=False)
        if "input" in body
        else console.runs.describe(run.arn).get("input", "{}")
    )
    if "input" in body and console.redaction.is_redacted(given):
        raise BadRequestError(
            "The input has a secret that is hidden.", "Replace it, or re-run with the same input."
        )
    return {"id": run_id(console.runs.start(machine, given))}


# -- Small things ---------------------------------------------------------------------------------


def _recording(console: Console, request: Request, deadline: float) -> tuple[Run, Recording]:
    """A run and its history: until the deadline, as far as it has been read."""
    runs = console.runs
    run = runs.get(request.path_params["id"])
    if run.running:
        runs.note(runs.describe(run.arn))
    seconds = None if math.isinf(deadline) else remaining(deadline)
    return run, runs.recording(run, seconds)


def _titles(console: Console) -> dict[str, str]:
    return {one.name: one.title for one in console.inventory.of_kind("function")}


def duration(ms: float) -> str:
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def whole(given: str | None, default: int, most: int) -> int:
    """A whole number from a query. Raises BadRequestError."""
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 16):
        raise BadRequestError(f"{given!r} is not a whole number.")
    return min(int(given), most)
