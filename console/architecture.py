"""The page of the architecture: the stack's parts, how they are connected, and what went through.

Connections are what AWS's APIs tell (topology.py). Traffic is what was observed in the last hours:
events of the event log, runs, metrics of functions, rules and topics, and messages in queues now.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console.aws import ConsoleError, NotFoundError
from console.core import Console
from console.definition import Definition, parameters
from console.events import Entry
from console.functions import HOUR, Metric, Metrics, failures, invocations
from console.polling import now
from console.runs import Run
from console.topology import Connection, Part, Topology
from console.traffic import OUTSIDE, Matching, Traffic, matches, observed
from console.web import Server
from handlers.observability.timeline import Event

WINDOWS = (1, 24)  # hours
FAILED = ("FAILED", "TIMED_OUT")
INVOKING = ("invokes", "events", "notifies", "reads", "requests")
# Of several connections between two parts the first of these is drawn.
ORDER = (*INVOKING, "starts", "sends", "fails", "uses")
Problems = list[dict[str, Any]]


def routes(server: Server) -> list[Route]:
    return [server.get("architecture", Page(server).answer)]


class Page:
    def __init__(self, server: Server) -> None:
        self.metrics = Metrics(server.console.aws, server.console.local, server.metrics_changed)
        self._matching = Matching(Topology())

    def answer(self, console: Console, request: Request) -> dict[str, Any]:
        """The stack's parts and connections, with counts of the last hours."""
        given = request.query_params.get("hours", "")
        hours = int(given) if given.isdecimal() and int(given) in WINDOWS else WINDOWS[0]
        since = now() - hours * HOUR
        topology = console.topology
        problems = list(topology.problems)
        counts = self._metrics(topology, hours, problems)
        counts |= messages(console, topology, problems)
        counts |= of_runs(console, since, problems)
        if self._matching.topology is not topology:
            self._matching = Matching(topology)
        traffic = events(console, self._matching, since, problems)
        return drawn(topology, counts, traffic) | {
            "hours": hours,
            "hasEventLog": console.inventory.event_log is not None,
            "problems": problems,
        }

    def _metrics(self, topology: Topology, hours: int, problems: Problems) -> "Counts":
        wanted = {part.id: of_part(part) for part in topology.parts.values() if part.own}
        try:
            sums = self.metrics.sums((one for pair in wanted.values() for one in pair), hours)
        except ConsoleError as error:
            problems.append({"what": "metrics"} | error.as_dict())
            return {}
        return {
            part: (round(sums.get(pair[0], 0)), round(sums.get(pair[1], 0)))
            for part, pair in wanted.items()
            if pair
        }


Counts = dict[str, tuple[int, int]]  # part → how often, of these failed


def of_part(part: Part) -> tuple[Metric, ...]:
    """The metrics of what a part did, and of what failed."""
    if part.kind == "function":
        return invocations(part.name), failures(part.name)
    if part.kind == "rule":
        bus, _, name = part.id.partition("/")[2].partition("|")
        on = (("EventBusName", bus),) if bus != "default" else ()
        dimensions = (*on, ("RuleName", name))
        return (
            Metric("AWS/Events", "Invocations", dimensions),
            Metric("AWS/Events", "FailedInvocations", dimensions),
        )
    if part.kind == "topic":
        dimensions = (("TopicName", part.name),)
        return (
            Metric("AWS/SNS", "NumberOfMessagesPublished", dimensions),
            Metric("AWS/SNS", "NumberOfNotificationsFailed", dimensions),
        )
    return ()


def messages(console: Console, topology: Topology, problems: Problems) -> Counts:
    """Messages in each queue now. In a queue for failures, each of them is one."""
    for_failures = {one.target for one in topology.connections if one.kind == "fails"}

    def look(url: str) -> int | ConsoleError | None:
        try:
            found = console.aws.call(
                "sqs",
                "get_queue_attributes",
                QueueUrl=url,
                AttributeNames=["ApproximateNumberOfMessages"],
            )
        except NotFoundError:
            return None
        except ConsoleError as error:
            return error
        return int(found.get("Attributes", {}).get("ApproximateNumberOfMessages", 0))

    counts: Counts = {}
    queues = console.inventory.of_kind("queue")
    answers = console.runs.parallel(look, [queue.physical_id for queue in queues])
    for queue, found in zip(queues, answers, strict=True):
        part = f"queue/{queue.name}"
        if isinstance(found, ConsoleError):
            problem = {"what": "messages in queues"} | found.as_dict()
            if problem not in problems:
                problems.append(problem)
        elif found is not None:
            counts[part] = (found, found if part in for_failures else 0)
    return counts


def of_runs(console: Console, since: int, problems: Problems) -> Counts:
    """Runs of each machine that started or ended in the window, and those that failed."""
    runs = console.runs
    try:
        runs.refresh(older_than=1.0)
    except ConsoleError as error:
        problems.append({"what": "runs"} | error.as_dict())
        return {}
    problems += runs.problems()
    total: Counter[str] = Counter({machine.name: 0 for machine in runs.machines})
    failed: Counter[str] = Counter()
    for run in list(runs.by_id.values()):
        if _is_of(run, since):
            total[run.machine] += 1
            failed[run.machine] += run.status in FAILED
    return {f"machine/{name}": (count, failed[name]) for name, count in total.items()}


def _is_of(run: Run, since: int) -> bool:
    return run.running or max(run.started_at, run.stopped_at or 0) >= since


def events(console: Console, matching: Matching, since: int, problems: Problems) -> Traffic:
    """What the event log has seen."""
    try:
        log = console.event_log()
        entries, complete = log.since(since) if log else ([], True)
    except ConsoleError as error:
        problems.append({"what": "the event log"} | error.as_dict())
        return Traffic()
    if not complete:
        told = "There are more events than are counted here: the newest are."
        problems.append({"what": "the event log", "message": told})
    groups: dict[tuple[str, ...], list[Event]] = defaultdict(list)
    for entry in entries:
        rules = matching.of(entry.id, partial(_event, entry))
        groups[rules].append(Event(entry.id, entry.job, entry.source, entry.type, entry.at, {}))
    return observed(groups, matching.topology)


def _event(entry: Entry) -> Event:
    return Event(entry.id, entry.job, entry.source, entry.type, entry.at, json.loads(entry.detail))


# -- What is drawn --------------------------------------------------------------------------------


def drawn(topology: Topology, counts: Counts, traffic: Traffic) -> dict[str, Any]:
    """Nodes and edges. Of what nobody counts, the count is None."""
    passed = traffic.counts
    merged = merge(topology.connections)
    parts = dict(topology.parts)
    if any(OUTSIDE in way for way in passed):
        parts[OUTSIDE] = Part(OUTSIDE, "outside", "outside", "Outside", False)
    for source, target in passed:
        if target not in parts:
            kind, _, name = target.partition("/")
            parts[target] = Part(target, kind, name, name, False)
        merged.setdefault((source, target), Connection(source, target, "events"))
    into: Counter[str] = Counter(
        target for (_, target), one in merged.items() if one.kind in (*INVOKING, "starts")
    )
    edges = []
    for (source, target), one in merged.items():
        count = passed.get((source, target))
        failed = 0
        # What calls a function alone has called it as often as it was invoked.
        if target.startswith("function/") and into[target] == 1 and one.kind in INVOKING:
            invoked, failed = counts.get(target, (None, 0))
            count = invoked if count is None else count
        edges.append(
            {
                "from": source,
                "to": target,
                "kind": one.kind,
                "label": one.label,
                "count": count,
                "failures": failed,
            }
        )
    through: Counter[str] = Counter()
    for (_, target), count in passed.items():
        if target.startswith(("bus/", "rule/")):
            through[target] += count
    around = {name: surroundings(topology, traffic, name) for name in topology.definitions}
    nodes = []
    for part in sorted(parts.values(), key=lambda part: (part.kind, part.title, part.id)):
        count, failed = counts.get(part.id, (None, 0))
        if part.id in through and not count:
            count = through[part.id]
        nodes.append(
            {
                "id": part.id,
                "kind": part.kind,
                "name": part.name,
                "title": part.title,
                "own": part.own,
                "count": count,
                "failures": failed,
                "links": links(part, failed),
                "workflows": [name for name, ids in around.items() if part.id in ids],
            }
        )
    return {"nodes": nodes, "edges": edges}


def merge(connections: Iterable[Connection]) -> dict[tuple[str, str], Connection]:
    """One connection between two parts, with the labels of all that are as important."""
    found: dict[tuple[str, str], Connection] = {}
    for one in sorted(connections, key=lambda one: ORDER.index(one.kind)):
        key = (one.source, one.target)
        known = found.get(key)
        if known is None:
            found[key] = one
        elif known.kind == one.kind and one.label and one.label != known.label:
            labels = ", ".join(filter(None, (known.label, one.label)))
            found[key] = Connection(one.source, one.target, one.kind, labels)
    return found


def links(part: Part, failed: int) -> list[dict[str, str]]:
    """The pages that show more about a part."""
    found: list[tuple[str, str]] = []
    if part.kind == "machine" and part.own:
        if failed:
            found.append(("Failed runs", f"runs?workflow={part.name}&status=FAILED"))
        found.append(("Runs", f"runs?workflow={part.name}"))
        found.append(("Workflow", f"workflows/{part.name}"))
    elif part.kind == "queue" and failed:
        found.append(("Dead letters", "dead-letters"))
    elif part.kind in ("bus", "rule"):
        found.append(("Events", "events"))
    return [{"title": title, "href": href} for title, href in found]


# -- What belongs to a workflow -------------------------------------------------------------------

STORES = ("bus", "table", "bucket", "topic")


def surroundings(topology: Topology, traffic: Traffic, machine: str) -> set[str]:
    """The parts around a machine: what leads to it, and what it leads to.

    Many use a bus or a table: past those it follows only the machine's own events.
    """
    start = f"machine/{machine}"
    found = {start}
    queue = [start]
    while queue:
        part = queue.pop()
        onward = {
            one.target
            for one in topology.from_(part)
            if part.partition("/")[0] not in STORES and one.target.partition("/")[0] != "machine"
        }
        onward |= {rule for producer, rule in traffic.led if producer == part}
        if part.startswith("machine/"):
            definition = topology.definitions.get(part.partition("/")[2])
            onward |= set(receiving(topology, definition)) if definition else set()
        elif part.startswith("rule/"):
            onward |= {one.target for one in topology.from_(part)}
        new = onward - found - topology.observers
        found |= new
        queue += [one for one in new if not one.startswith("machine/")]
    queue = [start]
    while queue:
        part = queue.pop()
        if part.startswith(("bus/", "api/")):
            continue
        for one in topology.leading_to(part):
            if one.kind != "fails" and one.source not in found | topology.observers:
                found.add(one.source)
                queue.append(one.source)
    return found


def receiving(topology: Topology, definition: Definition) -> Iterable[str]:
    """The rules that match the events that a machine's states put, by source and type."""
    for node in definition.nodes.values():
        entries = parameters(node.definition).get("Entries")
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict) or ":events:putEvents" not in node.resource:
                continue
            event = {"source": entry.get("Source"), "detail-type": entry.get("DetailType")}
            for rule in topology.rules:
                pattern = json.loads(rule.pattern) if rule.pattern else {}
                wanted = {key: pattern[key] for key in event if key in pattern}
                if wanted and matches(wanted, event):
                    yield f"rule/{rule.bus}|{rule.name}"
