"""Hops: what functions made of a run's events, from the event that one took to the one it gave.

handlers/observability/timeline.py derives them from the event log. Who consumes and produces which
event is what the catalogue of events says; of an event that is not in it, the stack's rules tell
who receives it, and the events themselves and the machine's definition who put it.
"""

import json
from collections.abc import Iterable
from typing import Any

from console.core import Console
from console.definition import Definition, parameters
from console.event_catalogue import Catalogue
from console.events import Entry
from console.history import FAILED, SUCCEEDED, WAITING, millis
from console.logs import Invocation, RunLog
from console.runs import Run
from console.timeline import UNANSWERED, Hop
from console.topology import Rule, Topology
from console.traffic import matches
from handlers.observability import timeline
from handlers.observability.timeline import CataloguedEvent, Event, Kind, Outcome

MOST = 3_000  # events of a run
_STATUS = {
    Outcome.COMPLETED: SUCCEEDED,
    Outcome.FAILED: FAILED,
    Outcome.WAITING: WAITING,
    Outcome.UNFINISHED: UNANSWERED,
}


class Hops:
    """Derives the hops of runs; those that were derived last are kept."""

    KEPT = 20  # runs

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._known: dict[str, tuple[tuple[int, int, str, bool], list[Hop]]] = {}

    def of(
        self,
        console: Console,
        run: Run,
        definition: Definition,
        found: RunLog,
        topology: Topology | None,
        entries: list[Entry],
    ) -> list[Hop]:
        """The hops of a run, in the order in which they start. Fewer without a topology.

        `entries`: the run's events, oldest first.
        """
        if not entries:
            return []
        entries = entries[:MOST]
        lines = sum(len(one.lines) for one in found.invocations)
        state = len(entries), lines, run.status, topology is None
        rules = topology.rules if topology else []
        known = self._known.pop(run.id, None)
        if known is None or known[0] != state:
            known = state, self._derived(console, definition, entries, found, rules)
        self._known[run.id] = known
        for identifier in list(self._known)[: -self.KEPT]:
            self._known.pop(identifier, None)
        return known[1]

    def _derived(
        self,
        console: Console,
        definition: Definition,
        entries: list[Entry],
        found: RunLog,
        rules: Iterable[Rule],
    ) -> list[Hop]:
        by_id = {entry.id: entry for entry in entries}
        events = [_event(entry) for entry in entries]
        titles = {one.name: one.title for one in console.inventory.of_kind("function")}
        spans = timeline.derive(
            events,
            self._catalogued(console, definition, events, rules),
            _invocations(found.invocations, titles),
        ).spans
        # What a state waits for is drawn from the machine's own history, which is exact.
        return [
            _hop(span, by_id)
            for span in spans
            if span.kind in (Kind.FUNCTION, Kind.MACHINE) and span.outcome in _STATUS
        ]

    def _catalogued(
        self,
        console: Console,
        definition: Definition,
        events: Iterable[Event],
        rules: Iterable[Rule],
    ) -> list[CataloguedEvent]:
        """Who produces and consumes the events of a run."""
        known = {(one.source, one.type): one for one in self.catalogue.entries}
        found = [
            CataloguedEvent(*kind, one.producers, one.consumers, one.starts)
            for kind, one in known.items()
        ]
        others = [event for event in events if event.type not in known]
        for kind in {event.type for event in others} - {timeline.STATUS_CHANGE}:
            of_kind = [event for event in others if event.type == kind]
            consumers = _consumers(console, of_kind[0], rules)
            machines = [name for name in consumers if name.startswith("machine ")]
            found.append(
                CataloguedEvent(
                    *kind,
                    _producers(definition, of_kind),
                    consumers,
                    # One with a token completes a task, any other starts an execution.
                    machines[0] if machines and not of_kind[0].token else None,
                )
            )
        return found


def _event(entry: Entry) -> Event:
    own = millis(entry.order.partition("#")[0])
    return Event(
        entry.id, entry.job, entry.source, entry.type, own, json.loads(entry.detail), entry.at
    )


def _invocations(
    found: Iterable[Invocation], titles: dict[str, str]
) -> Iterable[timeline.Invocation]:
    for one in found:
        if one.stopped_at is not None:
            values = {
                name: json.dumps(value)
                for line in one.lines
                for name, value in line.fields.items()
                if isinstance(value, str | int)
            }
            title = titles.get(one.function, one.function)
            yield timeline.Invocation(title, one.started_at, one.stopped_at, values, one.request_id)


def _consumers(console: Console, event: Event, rules: Iterable[Rule]) -> tuple[str, ...]:
    """The functions and machines that the stack's rules bring an event to."""
    envelope = {"source": event.source, "detail-type": event.detail_type, "detail": event.detail}
    inventory = console.inventory
    found = []
    for rule in rules:
        if not rule.enabled or not rule.pattern or not matches(json.loads(rule.pattern), envelope):
            continue
        for target in rule.targets:
            name = target["Arn"].split(":")[6] if target["Arn"].count(":") > 5 else ""
            if machine := inventory.machine(name):
                found.append(f"machine {machine.title}")
            elif ":lambda:" in target["Arn"]:
                found.append(f"function {inventory.title('function', name)}")
    return tuple(dict.fromkeys(found))


def _producers(definition: Definition, events: Iterable[Event]) -> tuple[str, ...]:
    """The functions that events of a kind name as theirs, and the machine's states that put it."""
    found = []
    for event in events:
        meta = event.detail.get("meta")
        if isinstance(meta, dict) and isinstance(meta.get("fn"), str):
            found.append(f"function {meta['fn']}")
        for node in definition.nodes.values():
            entries: Any = parameters(node.definition).get("Entries")
            if ":events:putEvents" in node.resource and isinstance(entries, list):
                kinds = [(one.get("Source"), one.get("DetailType")) for one in entries]
                found += [f"state machine/{node.name}"] if event.type in kinds else []
    return (*dict.fromkeys(found), timeline.ANYONE)


def _hop(span: timeline.Span, by_id: dict[str, Entry]) -> Hop:
    types = [by_id[one].type for one in (span.took, span.gave) if one in by_id]
    if span.kind is Kind.MACHINE:
        types = [types[0], "start of the run"]
    label = " → ".join(types)
    if span.outcome in (Outcome.WAITING, Outcome.UNFINISHED):
        label += " → no event yet" if span.outcome is Outcome.WAITING else " → no event"
    return Hop(
        span.name,
        span.kind is Kind.MACHINE,
        span.started_at,
        None if span.waiting is None else span.started_at + span.waiting,
        span.ended_at,
        _STATUS[span.outcome],
        span.side_effect,
        f"{label}, a side effect" if span.side_effect else label,
        f"events/{span.took}" if span.took else None,
        span.request_id,
    )
