"""A machine's definition (Amazon States Language) as a graph: nodes, edges and clusters.

The id of a node is the path of names that leads to it: `Gather Signatures/0/Bob Signature` is in
the first branch of a Parallel, `Download Batches/Download Batch` in a Map. A Parallel or Map is a
node, and a cluster of the same id.

https://states-language.net/spec.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

START = "$start"
END = "$end"
CLUSTERS = ("Parallel", "Map")


@dataclass(frozen=True)
class Scope:
    """States that run one after another: of the machine, of a branch, or of a Map's items."""

    cluster: str | None  # id of the Parallel or Map
    branch: int | None  # index of the branch, for a Parallel
    start_at: str
    states: dict[str, str]  # name → node id


@dataclass(frozen=True)
class Node:
    """One state."""

    id: str
    name: str
    type: str
    definition: dict[str, Any]
    cluster: str | None
    branch: int | None
    scopes: tuple[Scope, ...] = ()  # what is inside a Parallel or Map

    @property
    def resource(self) -> str:
        resource = self.definition.get("Resource")
        return resource if isinstance(resource, str) else ""

    @property
    def callback(self) -> bool:
        """Whether the state waits for somebody to return a task token."""
        return self.type == "Task" and (
            ".waitForTaskToken" in self.resource or ":activity:" in self.resource
        )

    @property
    def distributed(self) -> bool:
        """Whether each item of the Map is an execution of its own."""
        config = processor(self.definition).get("ProcessorConfig")
        return isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED"

    @property
    def ends(self) -> bool:
        return self.type in ("Succeed", "Fail") or self.definition.get("End") is True

    def short_resource(self) -> str | None:
        """The function or the service's action that the task calls."""
        return short(self.function or self.resource) if self.resource else None

    @property
    def function(self) -> str | None:
        """Name or ARN of the function that the task invokes, if the definition has it."""
        if ":lambda:" in self.resource and ":function:" in self.resource:
            return self.resource
        if ":states:::lambda:invoke" in self.resource:
            given = parameters(self.definition).get("FunctionName")
            return given if isinstance(given, str) else None
        return None


@dataclass(frozen=True)
class Definition:
    """A machine's states."""

    root: Scope
    nodes: dict[str, Node]
    source: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.name == name)

    def graph(self) -> dict[str, Any]:
        """Nodes, edges and clusters as the page draws them."""
        nodes = [
            _drawn(START, "Start", "Start"),
            *(
                _drawn(
                    node.id,
                    node.name,
                    node.type,
                    cluster=node.cluster,
                    branch=node.branch,
                    callback=node.callback,
                    resource=node.short_resource(),
                )
                for node in self.nodes.values()
            ),
            _drawn(END, "End", "End"),
        ]
        clusters = [
            {"id": node.id, "name": node.name, "type": node.type, "parent": node.cluster}
            for node in self.nodes.values()
            if node.type in CLUSTERS
        ]
        return {"nodes": nodes, "edges": list(self._edges()), "clusters": clusters}

    def _edges(self) -> Iterator[dict[str, Any]]:
        if first := self.root.states.get(self.root.start_at):
            yield _edge(START, first, "next")
        yield from self._edges_of(self.root)

    def _edges_of(self, scope: Scope) -> Iterator[dict[str, Any]]:
        for node_id in scope.states.values():
            node = self.nodes[node_id]
            for name, kind, label in _transitions(node.definition):
                if name in scope.states:
                    yield _edge(node_id, scope.states[name], kind, label)
            if scope is self.root and node.ends:
                yield _edge(node_id, END, "next")
            for inner in node.scopes:
                if first := inner.states.get(inner.start_at):
                    yield _edge(node_id, first, "branch")
                yield from self._edges_of(inner)


def parse(text: str | dict[str, Any]) -> Definition:
    """The definition. What cannot be read in it is left out: this never raises."""
    try:
        source = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        source = {}
    nodes: dict[str, Node] = {}
    source = source if isinstance(source, dict) else {}
    root = _scope(source, nodes, "", None, None)
    return Definition(root, nodes, source)


def _scope(
    source: Any,
    nodes: dict[str, Node],
    prefix: str,
    cluster: str | None,
    branch: int | None,
) -> Scope:
    source = source if isinstance(source, dict) else {}
    found = source.get("States")
    states: dict[str, str] = {}
    for name, definition in (found if isinstance(found, dict) else {}).items():
        if not isinstance(definition, dict):
            continue
        node_id = prefix + name.replace("~", "~0").replace("/", "~1")
        kind = str(definition.get("Type", ""))
        states[name] = node_id
        nodes[node_id] = Node(node_id, name, kind, definition, cluster, branch)  # keeps the order
        inner: list[Scope] = []
        if kind == "Parallel":
            branches = definition.get("Branches")
            for index, one in enumerate(branches if isinstance(branches, list) else []):
                inner.append(_scope(one, nodes, f"{node_id}/{index}/", node_id, index))
        elif kind == "Map":
            inner.append(_scope(processor(definition), nodes, f"{node_id}/", node_id, None))
        nodes[node_id] = Node(node_id, name, kind, definition, cluster, branch, tuple(inner))
    start_at = source.get("StartAt")
    return Scope(cluster, branch, start_at if isinstance(start_at, str) else "", states)


def processor(definition: dict[str, Any]) -> dict[str, Any]:
    """What a Map runs for each item. `Iterator` is its older name."""
    found = definition.get("ItemProcessor", definition.get("Iterator"))
    return found if isinstance(found, dict) else {}


def parameters(definition: dict[str, Any]) -> dict[str, Any]:
    """What a task sends; `Arguments` in JSONata."""
    found = definition.get("Parameters", definition.get("Arguments"))
    return found if isinstance(found, dict) else {}


def _transitions(definition: dict[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """(name of the next state, kind, label) of every way out of a state."""
    following = definition.get("Next")
    if isinstance(following, str):
        yield following, "next", None
    for choice in dictionaries(definition.get("Choices")):
        if isinstance(choice.get("Next"), str):
            yield choice["Next"], "choice", condition(choice)
    if isinstance(definition.get("Default"), str):
        yield definition["Default"], "default", "otherwise"
    for catcher in dictionaries(definition.get("Catch")):
        if isinstance(catcher.get("Next"), str):
            errors = catcher.get("ErrorEquals")
            names = [str(name) for name in errors] if isinstance(errors, list) else []
            yield (
                catcher["Next"],
                "catch",
                "any error" if names == ["States.ALL"] else ", ".join(names),
            )


def dictionaries(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_SIGNS = {
    "Equals": "=",
    "LessThan": "<",
    "LessThanEquals": "≤",
    "GreaterThan": ">",
    "GreaterThanEquals": "≥",
    "Matches": "matches",
}
_KINDS = ("String", "Numeric", "Boolean", "Timestamp")


def condition(rule: Any) -> str:
    """A Choice rule in one line: `$.size > 10 and not $.dry = true`."""
    if not isinstance(rule, dict):
        return ""
    if isinstance(rule.get("Condition"), str):  # JSONata
        return str(rule["Condition"]).strip().removeprefix("{%").removesuffix("%}").strip()
    if "Not" in rule:
        return f"not ({condition(rule['Not'])})"
    for word in ("And", "Or"):
        if isinstance(rule.get(word), list):
            parts = [condition(part) for part in rule[word]]
            nested = [f"({part})" if " and " in part or " or " in part else part for part in parts]
            return f" {word.lower()} ".join(nested)
    variable = rule.get("Variable", "")
    for operator, value in rule.items():
        if operator.startswith("Is"):
            words = {"IsPresent": "present", "IsNull": "null"}
            kind = words.get(operator, f"a {operator[2:].lower()}")
            return f"{variable} is {kind}" if value else f"{variable} is not {kind}"
        kind = next((kind for kind in _KINDS if operator.startswith(kind)), "")
        sign = _SIGNS.get(operator.removeprefix(kind).removesuffix("Path"))
        if kind and sign:
            shown = value if operator.endswith("Path") else json.dumps(value, ensure_ascii=False)
            return f"{variable} {sign} {shown}"
    return str(variable)


def short(resource: str) -> str:
    """The last words of a resource: a function's name, `dynamodb:putItem`, `sfn:startExecution`."""
    plain = resource.removesuffix(".waitForTaskToken").removesuffix(".sync:2").removesuffix(".sync")
    if ":function:" in plain:
        return plain.partition(":function:")[2].partition(":")[0]
    if ":activity:" in plain:
        return plain.partition(":activity:")[2]
    if ":states:::" in plain:
        return plain.partition(":states:::")[2].removeprefix("aws-sdk:")
    return plain


def _drawn(node_id: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    nothing = {"cluster": None, "branch": None, "callback": False, "resource": None}
    return {"id": node_id, "name": name, "type": kind} | nothing | more


def _edge(source: str, target: str, kind: str, label: str | None = None) -> dict[str, Any]:
    return {"from": source, "to": target, "kind": kind, "label": label}
