"""The page of workflows: each machine's graph beside its definition, what starts it, what it calls.

Nothing here knows a workflow: samples of inputs are those of earlier executions.
"""

import json
import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.routing import Route

from console.aws import BadRequestError, ConsoleError, NotAllowedError, NotFoundError
from console.core import Console
from console.definition import parse
from console.functions import Errors, Metrics, described
from console.links import Link
from console.polling import now
from console.redaction import Keyed
from console.runs import Runs, run_id
from console.source import formatted
from console.stack import Machine
from console.topology import Connection, Topology
from console.web import Server

HOURS = 24  # in which invocations and errors of functions are counted
SAMPLES = 6
LOOKED_AT = 12  # runs whose inputs are read for samples
LARGEST_SAMPLE = 65_536  # characters
LARGEST_INPUT = 262_144  # bytes, StartExecution
MOST_FUNCTIONS = 200
LONGEST_CHAIN = 4  # parts from a trigger to the machine
TRIGGERING = ("events", "notifies", "reads", "starts", "requests", "uses")
_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)


def routes(server: Server) -> list[Route]:
    page = Page(server)
    return [
        server.get("workflows", listed),
        server.get("workflows/{name}", one),
        server.get("workflows/{name}/samples", samples),
        server.post("workflows/{name}/start", start),
        server.get("functions", page.functions),
    ]


# -- All machines ---------------------------------------------------------------------------------


def listed(console: Console, request: Request) -> dict[str, Any]:
    """The machines of the stack."""
    runs, topology = console.runs, console.topology
    problems = [*topology.problems]
    _refresh(runs, problems)
    counted = {row["name"]: row for row in runs.workflows(now())}
    return {
        "workflows": [
            _summary(topology, machine) | {"counts": counted[machine.name]["counts"]}
            for machine in console.inventory.machines
        ],
        "problems": problems,
    }


def _refresh(runs: Runs, problems: list[dict[str, Any]]) -> None:
    """Read new runs. What may not be read is noted."""
    try:
        runs.refresh(older_than=1.0)
    except NotAllowedError as error:
        problems.append({"what": "runs"} | error.as_dict())
    problems += runs.problems()


def _summary(topology: Topology, machine: Machine) -> dict[str, Any]:
    definition = topology.definitions.get(machine.name) or parse("{}")
    return {
        "name": machine.name,
        "title": machine.title,
        "type": machine.type,
        "comment": definition.source.get("Comment"),
        "states": len(definition.nodes),
        "triggers": [
            [link.as_dict() for link in chain] for chain in triggers(topology, machine.name)
        ],
        "functions": len({call["id"] for call in calls(topology, machine.name, "function")}),
    }


def triggers(topology: Topology, machine: str) -> list[list[Link]]:
    """What starts a machine: chains of parts, the first cause first."""
    found = [
        [_link(topology, connection) for connection in chain]
        for chain in _chains(topology, f"machine/{machine}", ())
    ]
    return sorted(found, key=lambda chain: [(link.kind, link.label) for link in chain])


def _chains(
    topology: Topology, part: str, after: tuple[Connection, ...]
) -> list[tuple[Connection, ...]]:
    """The ways that lead to a part. Variables of a function count only next to the machine."""
    passed = {connection.target for connection in after} | {part}
    leading = [
        connection
        for connection in topology.leading_to(part)
        if connection.kind in TRIGGERING
        and connection.source not in passed
        and connection.source not in topology.observers
        and not (after and connection.kind == "uses")
        # A bus or a machine further back is where an event comes from, and no trigger of this one.
        and not (after and topology.parts[connection.source].kind == "machine")
    ]
    merged: dict[str, Connection] = {}
    for connection in leading:
        known = merged.get(connection.source)
        label = connection.label
        if known is not None and known.label != label:
            label = ", ".join(filter(None, (known.label, label)))
        merged[connection.source] = Connection(
            connection.source, connection.target, connection.kind, label, connection.node
        )
    if part.startswith("bus/") or not merged or len(after) >= LONGEST_CHAIN:
        return [after] if after else []
    return [
        chain
        for connection in merged.values()
        for chain in _chains(topology, connection.source, (connection, *after))
    ]


_NOUNS = {"bus": "Bus", "rule": "Rule", "bucket": "Bucket", "queue": "Queue", "topic": "Topic"}


def _link(topology: Topology, connection: Connection) -> Link:
    """One step of a chain: the part, and what makes it go on."""
    part = topology.parts[connection.source]
    label = f"{_NOUNS.get(part.kind, '')} {part.title}".strip()
    if part.kind == "api":
        label = connection.label or label
    elif connection.label and connection.kind not in ("uses", "starts", "invokes"):
        label += f" ({connection.label})"
    href = f"workflows/{part.name}" if part.kind == "machine" and part.own else None
    return Link(part.kind, label, href or f"architecture?part={quote(part.id)}")


def calls(topology: Topology, machine: str, kind: str | None = None) -> list[dict[str, Any]]:
    """What a machine calls, with the states that do it."""
    found: dict[str, dict[str, Any]] = {}
    for connection in topology.from_(f"machine/{machine}"):
        part = topology.parts[connection.target]
        if kind is not None and part.kind != kind:
            continue
        row = found.setdefault(
            part.id,
            {
                "id": part.id,
                "kind": part.kind,
                "name": part.name,
                "title": part.title,
                "own": part.own,
                "how": connection.kind,
                "states": [],
            },
        )
        row["states"].append({"id": connection.node, "name": connection.label})
    return list(found.values())


# -- One machine ----------------------------------------------------------------------------------


def one(console: Console, request: Request) -> dict[str, Any]:
    """A machine: its graph, and the lines of its definition."""
    machine = _machine(console, request)
    topology, runs = console.topology, console.runs
    definition = topology.definitions.get(machine.name)
    problems = [*topology.problems]
    if definition is None:  # not yet read, or not allowed
        try:
            described_machine = console.aws.call(
                "stepfunctions", "describe_state_machine", stateMachineArn=machine.arn
            )
            definition = parse(described_machine["definition"])
        except NotAllowedError as error:
            definition = parse("{}")
            problem = {"what": "definitions of machines"} | error.as_dict()
            problems += [] if problem in problems else [problem]
    source, lines = formatted(console.redaction.clean(definition.source))
    _refresh(runs, problems)
    counted = {row["name"]: row for row in runs.workflows(now())}
    latest, _ = runs.page(machine.name, "", "", "", 1)
    runs.detail(latest, 1)
    return _summary(topology, machine) | {
        "arn": machine.arn,
        "graph": definition.graph(),
        "source": source,
        "lines": Keyed({node: list(found) for node, found in lines.items()}),
        "calls": calls(topology, machine.name),
        "counts": counted[machine.name]["counts"],
        "latest": latest[0].summary() if latest else None,
        "problems": problems,
    }


def _machine(console: Console, request: Request) -> Machine:
    name = request.path_params["name"]
    machine = console.inventory.machine(name)
    if machine is None:
        raise NotFoundError(f"The stack {console.stack} has no machine {name}.")
    return machine


def samples(console: Console, request: Request) -> dict[str, Any]:
    """Inputs of earlier executions: first one of each form, the newest first."""
    machine = _machine(console, request)
    runs = console.runs
    problems: list[dict[str, Any]] = []
    _refresh(runs, problems)
    newest, _ = runs.page(machine.name, "", "", "", LOOKED_AT)

    def described_run(run: Any) -> dict[str, Any] | None:
        try:
            return runs.describe(run.arn)
        except NotAllowedError as error:
            problem = {"what": "inputs of runs"} | error.as_dict()
            if problem not in problems:
                problems.append(problem)
        except ConsoleError:
            pass
        return None

    found = []
    for run, execution in zip(newest, runs.parallel(described_run, newest), strict=True):
        text = (execution or {}).get("input")
        if isinstance(text, str) and len(text) <= LARGEST_SAMPLE:
            found.append((run, text))
    runs.detail([run for run, _ in found], LOOKED_AT)
    return {
        "samples": [
            {
                "run": run.id,
                "label": run.summary()["label"],
                "status": run.status,
                "startedAt": run.started_at,
                "input": json.loads(text),
            }
            for run, text in varied(found)[:SAMPLES]
        ],
        "problems": problems,
    }


def varied(inputs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Inputs without repetitions: first the newest of each form, then the others."""
    distinct = list({text: (run, text) for run, text in reversed(inputs)}.values())[::-1]
    forms: set[str] = set()
    first: list[tuple[Any, str]] = []
    others: list[tuple[Any, str]] = []
    for run, text in distinct:
        form = json.dumps(_form(json.loads(text)), sort_keys=True)
        (others if form in forms else first).append((run, text))
        forms.add(form)
    return first + others


def _form(value: Any) -> Any:
    """The names and types in a value."""
    if isinstance(value, dict):
        return {key: _form(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_form(value[0])] if value else []
    return type(value).__name__


def start(console: Console, request: Request) -> dict[str, Any]:
    """Start an execution of a machine."""
    machine = _machine(console, request)
    body = request.state.body
    given = json.dumps(body.get("input", {}), ensure_ascii=False)
    if len(given.encode()) > LARGEST_INPUT:
        raise BadRequestError(f"The input is larger than {LARGEST_INPUT} bytes.")
    if console.redaction.is_redacted(given):
        raise BadRequestError("The input has a place where a secret is hidden. Replace it.")
    name = body.get("name") or None
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BadRequestError("A name has at most 80 letters, digits, hyphens and underscores.")
    arn = console.runs.start(machine, given, name)
    return {"id": None if machine.type == "EXPRESS" else run_id(arn)}


class Page:
    """Counts and errors of functions."""

    def __init__(self, server: Server) -> None:
        console = server.console
        self.errors = Errors(console.aws)
        self.metrics = Metrics(console.aws, console.local, server.metrics_changed)

    def functions(self, console: Console, request: Request) -> dict[str, Any]:
        """Functions of the stack by name (`name`, repeated), or those that a machine calls."""
        known = {one.name for one in console.inventory.of_kind("function")}
        names = [name for name in request.query_params.getlist("name") if name in known]
        workflow = request.query_params.get("workflow")
        if workflow:
            names += [call["name"] for call in calls(console.topology, workflow, "function")]
        names = [name for name in dict.fromkeys(names) if name in known][:MOST_FUNCTIONS]
        return described(console, self.errors, self.metrics, names, HOURS)
