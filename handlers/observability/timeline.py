"""Derives a job's timeline from its observed events: what worked, waited or never completed, and
who produced which events for whom.

This module is pure: it imports no AWS library, reads no clock and no environment. The result
depends only on the set of events, not on their order or on duplicates. If an event was not
observed, only the spans that begin or end with it are affected. A span never ends before it starts.

A *job* is an execution with all its events, or a single event that belongs to no execution. Its id
is `<machine name>:<execution name>` or `event:<event id>` (`job_of_execution`, `job_of_event`).

    timeline = derive(events, CATALOGUE)  # the events of one job
    edges = architecture(events, CATALOGUE)  # the events of any number of jobs

`events` are `Event`s; `event_record.event_of` makes them from the items of the table,
`Event.from_dict` from the API's JSON. `CATALOGUE` is in `handlers/observability/catalogue.py`. All
times are whole milliseconds since 1970.

How an event is matched with the event that led to it: its producer is the function that
`detail.meta.fn` names, if the catalogue agrees, otherwise the catalogue's only function that
produces it. That function took an event that it consumes: the one with the same task token. If one
of the two has no token, all other values that both details have at their top level must be equal.
If several events match, the earliest is taken first.

Events do not show when a function began. A caller may pass `Invocation`s, from logs, which do. Only
then is the time of a span divided into waiting (until the function began) and working.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

STATUS_CHANGE = ("aws.states", "Step Functions Execution Status Change")
UNKNOWN = "UNKNOWN"  # the status of an execution of which no status change was observed
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})
ANYONE = "anyone"

# What the event log stores instead of a task token (a keyed hash), of another secret, and of a
# value that is too large.
STORED_TOKEN = re.compile(r"token:[0-9a-f]{16}")
REMOVED = "(removed)"
LEFT_OUT = re.compile(r"\(left out: [0-9]+ bytes\)")
# EventBridge gives the time of an event in whole seconds.
_SECOND = 1000
# Fields that events share even if they are about different work.
_NOT_IDENTIFYING = frozenset({"execution", "stateName", "meta"})

EventType = tuple[str, str]  # source and detail-type


class Kind(StrEnum):
    """What a span is about."""

    EXECUTION = "execution"  # from its first status change to its last
    STATE = "state"  # from the event that a state put to the one that completed its task
    FUNCTION = "function"  # from the event that a function took to the one it gave
    MACHINE = "machine"  # from the event that a machine took to the execution that follows


class Outcome(StrEnum):
    """How a span ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    WAITING = "waiting"  # not ended, and its execution has not ended either
    UNFINISHED = "unfinished"  # not ended, although its execution has
    UNOBSERVABLE = "unobservable"  # what the function does leaves no event


@dataclass(frozen=True)
class CataloguedEvent:
    """An entry of events/catalogue.yml. Producers and consumers are named as there."""

    source: str
    detail_type: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    starts: str | None = None  # the machine whose execution it starts


@dataclass(frozen=True)
class Event:
    """An observed event. `time` is its own, `received` when the event log got it, if known."""

    id: str
    job: str
    source: str
    detail_type: str
    time: int
    detail: Mapping[str, Any] = field(hash=False)
    received: int | None = None
    truncated: bool = False  # some of the detail was too large to store

    @property
    def type(self) -> EventType:
        return self.source, self.detail_type

    @property
    def at(self) -> int:
        """The best estimate of when it happened.

        A time in whole seconds is made more precise by the time of receipt, within that second.
        """
        if self.received is None or self.time % _SECOND:
            return self.time
        return max(self.time, min(self.received, self.time + _SECOND - 1))

    @property
    def token(self) -> str | None:
        """The hash of the detail's task token; None if it has none."""
        for value in self.detail.values():
            if isinstance(value, str) and STORED_TOKEN.fullmatch(value):
                return value
        return None

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON; `from_dict` reads it."""
        found = {
            "id": self.id,
            "job": self.job,
            "source": self.source,
            "detailType": self.detail_type,
            "time": self.time,
            "detail": self.detail,
        }
        if self.received is not None:
            found["received"] = self.received
        if self.truncated:
            found["truncated"] = True
        return found

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Event":
        return cls(
            id=found["id"],
            job=found["job"],
            source=found["source"],
            detail_type=found["detailType"],
            time=found["time"],
            detail=found["detail"],
            received=found.get("received"),
            truncated=found.get("truncated", False),
        )


@dataclass(frozen=True)
class Invocation:
    """A function's work on an event, according to its log.

    `values` are the simple values in its log lines, as JSON. They distinguish invocations that
    worked at the same time.
    """

    function: str
    started_at: int
    ended_at: int
    values: Mapping[str, str] = field(default_factory=dict, hash=False)
    request_id: str | None = None


@dataclass(frozen=True)
class Span:
    """A stretch of time in which something worked or waited.

    `took` and `gave` are ids of events. `waiting` and `working` are the parts of the span's time,
    in milliseconds; both are None unless both are known. A side effect is work that no task
    waits for.
    """

    kind: Kind
    name: str
    started_at: int
    ended_at: int | None
    outcome: Outcome
    took: str | None = None
    gave: str | None = None
    side_effect: bool = False
    token: str | None = None
    waiting: int | None = None
    working: int | None = None
    request_id: str | None = None  # of the function's invocation, if it is known

    def as_dict(self) -> dict[str, Any]:
        named = {
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "sideEffect": self.side_effect,
        }
        left_out = {"started_at", "ended_at", "side_effect", "request_id"}
        return {k: v for k, v in asdict(self).items() if k not in left_out} | named


@dataclass(frozen=True)
class Edge:
    """How many events of a type went from a producer to a consumer; None: nobody consumes it."""

    producer: str
    source: str
    detail_type: str
    consumer: str | None
    count: int

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self)
        found["detailType"] = found.pop("detail_type")
        return found


@dataclass(frozen=True)
class Timeline:
    """The result for one job; spans in the order in which they start."""

    status: str
    started_at: int | None
    ended_at: int | None
    events: tuple[Event, ...]
    spans: tuple[Span, ...]

    @property
    def waiting(self) -> tuple[Span, ...]:
        """The spans that have not ended, of an execution that has not ended either."""
        return tuple(span for span in self.spans if span.outcome is Outcome.WAITING)

    @property
    def unfinished(self) -> tuple[Span, ...]:
        """The spans that have not ended, although their execution has."""
        return tuple(span for span in self.spans if span.outcome is Outcome.UNFINISHED)


def job_of_execution(arn: str) -> str:
    """arn:aws:states:us-east-1:123456789012:execution:<machine>:<name> → <machine>:<name>"""
    machine, name = arn.split(":")[6:8]
    return f"{machine}:{name}"


def job_of_event(event_id: str) -> str:
    """The job of an event that belongs to no execution."""
    return f"event:{event_id}"


def status_rank(change: Event) -> tuple[int, bool, int, str]:
    """The order of an execution's changes of status, whichever was observed first."""
    redrives = change.detail.get("redriveCount")
    terminal = change.detail.get("status") in TERMINAL
    return redrives if isinstance(redrives, int) else 0, terminal, change.time, change.id


def derive(
    events: Iterable[Event],
    catalogue: Iterable[CataloguedEvent],
    invocations: Iterable[Invocation] = (),
) -> Timeline:
    """The timeline of one job."""
    return _Derivation(_distinct(events), _Catalogue(catalogue), invocations).timeline()


def architecture(events: Iterable[Event], catalogue: Iterable[CataloguedEvent]) -> tuple[Edge, ...]:
    """Who produced what for whom, and how often, of the events of any number of jobs."""
    known = _Catalogue(catalogue)
    counts: dict[tuple[str, str, str, str | None], int] = defaultdict(int)
    for event in _distinct(events):
        for consumer in known.consumers(event) or (None,):
            counts[(known.producer(event), *event.type, consumer)] += 1
    ordered = sorted(counts.items(), key=lambda item: [part or "" for part in item[0]])
    return tuple(Edge(*names, count) for names, count in ordered)


def _distinct(events: Iterable[Event]) -> list[Event]:
    """Each event once, in order of time; of duplicates, the one that was received first."""
    found: dict[str, Event] = {}
    for event in events:
        known = found.get(event.id)
        if known is None or _preference(event) < _preference(known):
            found[event.id] = event
    return sorted(found.values(), key=lambda event: (event.at, event.id))


def _preference(event: Event) -> tuple[int, float, str]:
    received = float("inf") if event.received is None else event.received
    return event.time, received, json.dumps(event.as_dict(), sort_keys=True)


class _Catalogue:
    """The catalogue, by type of event and by function."""

    def __init__(self, entries: Iterable[CataloguedEvent]) -> None:
        self._entries = {(entry.source, entry.detail_type): entry for entry in entries}
        self.consumed_by: dict[str, set[EventType]] = defaultdict(set)
        self._produced_by: dict[str, set[EventType]] = defaultdict(set)
        for kind, entry in self._entries.items():
            for consumer in entry.consumers:
                self.consumed_by[consumer].add(kind)
            for producer in entry.producers:
                self._produced_by[producer].add(kind)

    def consumers(self, event: Event) -> tuple[str, ...]:
        entry = self._entries.get(event.type)
        return entry.consumers if entry else ()

    def starts(self, event: Event) -> str | None:
        entry = self._entries.get(event.type)
        return entry.starts if entry else None

    def producer(self, event: Event) -> str:
        """`function …`, `state …/…`, `machine …`, or `anyone`."""
        if event.type == STATUS_CHANGE:
            machine = str(event.detail.get("stateMachineArn", "")).rpartition(":")[2]
            return f"machine {machine}"
        entry = self._entries.get(event.type)
        producers = entry.producers if entry else ()
        named = f"function {_meta(event).get('fn')}"
        if named in producers:
            return named
        state = f"/{event.detail.get('stateName')}"
        states = [name for name in producers if name.startswith("state ") and name.endswith(state)]
        if len(states) == 1 and not _meta(event):
            return states[0]
        return producers[0] if len(producers) == 1 else ANYONE

    def is_side_effect(self, function: str) -> bool:
        """Whether nothing consumes what the function produces."""
        return not any(self._entries[kind].consumers for kind in self._produced_by[function])

    def is_silent(self, function: str) -> bool:
        """Whether the function produces no event."""
        return not self._produced_by[function]

    def completes_task(self, event: Event) -> bool:
        """Whether only machines consume the event: one that completes the task of its token."""
        consumers = self.consumers(event)
        return bool(consumers) and all(name.startswith("machine ") for name in consumers)


def _meta(event: Event) -> Mapping[str, Any]:
    meta = event.detail.get("meta")
    return meta if isinstance(meta, Mapping) else {}


class _Derivation:
    """Derives the timeline of one job from its events."""

    def __init__(
        self, events: list[Event], catalogue: _Catalogue, invocations: Iterable[Invocation]
    ) -> None:
        self._catalogue = catalogue
        self._producers = {event.id: catalogue.producer(event) for event in events}
        self._invocations: dict[str, list[Invocation]] = defaultdict(list)
        for invocation in sorted(
            set(invocations), key=lambda work: (work.started_at, work.ended_at)
        ):
            self._invocations[invocation.function].append(invocation)
        changes = [event for event in events if event.type == STATUS_CHANGE]
        last = max(changes, key=status_rank, default=None)
        self._status = str(last.detail.get("status", UNKNOWN)) if last else UNKNOWN
        self._started_at = min(map(_execution_start, changes), default=None)
        self._ended_at = last.at if last and self._status in TERMINAL else None
        self._first_change = changes[0] if changes else None
        self._events = sorted(events, key=self._place)

    def timeline(self) -> Timeline:
        functions = list(self._function_spans())
        spans = [
            *self._execution_span(),
            *self._machine_spans(),
            *self._state_spans(functions),
            *functions,
        ]
        spans.sort(key=_span_place)
        return Timeline(
            status=self._status,
            started_at=self._started_at,
            ended_at=self._ended_at,
            events=tuple(self._events),
            spans=tuple(spans),
        )

    def _time_of(self, event: Event) -> int:
        """When an event happened: not later than the execution that it started."""
        if self._started_at is None or self._catalogue.starts(event) is None:
            return event.at
        return _not_after(event, self._started_at)

    def _place(self, event: Event) -> tuple[int, bool, str]:
        """An event's place in the order of time; what started the execution comes before it."""
        return self._time_of(event), self._catalogue.starts(event) is None, event.id

    # -- The execution, and what started it -----------------------------------------------------

    def _execution_span(self) -> Iterator[Span]:
        if self._first_change is None or self._started_at is None:
            return
        ended = _not_before(self._started_at, self._ended_at)
        outcome = Outcome.COMPLETED if self._status == "SUCCEEDED" else Outcome.FAILED
        yield Span(
            kind=Kind.EXECUTION,
            name=self._catalogue.producer(self._first_change).removeprefix("machine "),
            started_at=self._started_at,
            ended_at=ended,
            outcome=Outcome.WAITING if ended is None else outcome,
        )

    def _machine_spans(self) -> Iterator[Span]:
        """From each event that starts an execution to the execution's start."""
        for event in self._events:
            if self._catalogue.starts(event) is None:
                continue
            for consumer in self._catalogue.consumers(event):
                begun = self._time_of(event)
                ended = _not_before(begun, self._started_at)
                yield Span(
                    kind=Kind.MACHINE,
                    name=consumer.partition(" ")[2],
                    started_at=begun,
                    ended_at=ended,
                    outcome=self._not_ended() if ended is None else Outcome.COMPLETED,
                    took=event.id,
                    gave=self._first_change.id if self._first_change else None,
                )

    # -- States that wait for their task to be completed ------------------------------------------

    def _state_spans(self, functions: Sequence[Span]) -> Iterator[Span]:
        completions: dict[str, Event] = {}
        for event in self._events:
            if event.token and self._catalogue.completes_task(event):
                completions.setdefault(event.token, event)
        working: dict[str, list[Span]] = defaultdict(list)
        for span in functions:
            if span.token and not span.side_effect:
                working[span.token].append(span)
        for event in self._events:
            producer = self._producers[event.id]
            if not producer.startswith("state ") or not event.token:
                continue
            completion = completions.get(event.token)
            begun = _not_after(event, completion.at) if completion else event.at
            ended = _not_before(begun, completion.at) if completion else None
            worked = _worked(event, completion, working[event.token])
            yield Span(
                kind=Kind.STATE,
                name=producer.removeprefix("state "),
                started_at=begun,
                ended_at=ended,
                outcome=self._outcome_of_task(completion),
                took=event.id,
                gave=completion.id if completion else None,
                token=event.token,
                waiting=None if worked is None or ended is None else max(0, ended - begun - worked),
                working=worked,
            )

    def _outcome_of_task(self, completion: Event | None) -> Outcome:
        if completion is None:
            return self._not_ended()
        return Outcome.FAILED if self._is_report(completion) else Outcome.COMPLETED

    def _is_report(self, event: Event) -> bool:
        """Whether the event reports that another function failed.

        The function that reports it consumes no events: Lambda invokes it with a failure record.
        """
        producer = self._producers[event.id]
        return producer.startswith("function ") and not self._catalogue.consumed_by.get(producer)

    # -- Functions, from the event taken to the event given ----------------------------------------

    def _function_spans(self) -> Iterator[Span]:
        failures = self._reported_failures()
        for function, consumed in sorted(self._catalogue.consumed_by.items()):
            if not function.startswith("function "):
                continue
            taken = [event for event in self._events if event.type in consumed]
            given = [event for event in self._events if self._producers[event.id] == function]
            given_for = _pairs(taken, given)
            for event in taken:
                results: list[Event | None] = [*given_for.get(event.id, ())]
                for result in results or [None]:
                    yield self._function_span(function, event, result, failures)

    def _function_span(
        self,
        function: str,
        taken: Event,
        given: Event | None,
        failures: Mapping[tuple[str, str | None], Event],
    ) -> Span:
        side_effect = self._catalogue.is_side_effect(function)
        outcome = Outcome.COMPLETED
        if given is None:
            outcome = self._not_ended()
            if not side_effect and taken.token:
                given = failures.get((taken.detail_type, taken.token))
                outcome = Outcome.FAILED if given else outcome
            elif self._catalogue.is_silent(function):
                outcome = Outcome.UNOBSERVABLE
        name = function.removeprefix("function ")
        started = _not_after(taken, given.at) if given else taken.at
        ended = _not_before(started, given.at) if given else None
        invocation = self._invocation(name, taken, ended)
        begun = None
        if invocation is not None and ended is not None:
            begun = min(max(invocation.started_at, taken.at), ended)
        return Span(
            kind=Kind.FUNCTION,
            name=name,
            started_at=started,
            ended_at=ended,
            outcome=outcome,
            took=taken.id,
            gave=given.id if given else None,
            side_effect=side_effect,
            token=taken.token,
            waiting=None if begun is None else begun - started,
            working=None if begun is None or ended is None else ended - begun,
            request_id=invocation.request_id if invocation else None,
        )

    def _reported_failures(self) -> dict[tuple[str, str | None], Event]:
        """The first report of a failure for each type of event and token."""
        found: dict[tuple[str, str | None], Event] = {}
        for event in self._events:
            if self._is_report(event):
                found.setdefault((str(_meta(event).get("incoming")), event.token), event)
        return found

    def _invocation(self, function: str, taken: Event, given: int | None) -> Invocation | None:
        """The invocation that worked on an event; None if none or several are possible."""
        if given is None:
            return None
        values = _identifying(taken)
        possible = [
            invocation
            for invocation in self._invocations[function]
            if taken.time <= invocation.started_at <= given
        ]
        if len(possible) > 1:
            possible = [work for work in possible if work.ended_at >= given - _SECOND]
        if len(possible) > 1:
            possible = [work for work in possible if _is_about(work, values)]
        return possible[0] if len(possible) == 1 else None

    def _not_ended(self) -> Outcome:
        """The outcome of a span that has not ended."""
        return Outcome.WAITING if self._ended_at is None else Outcome.UNFINISHED


def _span_place(span: Span) -> tuple[int, int, str, str, float, str]:
    ended = float("inf") if span.ended_at is None else span.ended_at
    kind = [*Kind].index(span.kind)
    return span.started_at, kind, span.name, span.took or "", ended, span.gave or ""


def _execution_start(change: Event) -> int:
    start = change.detail.get("startDate")
    return start if isinstance(start, int) else change.at


def _not_after(cause: Event, effect: int) -> int:
    """When a cause happened; the estimate `at` may be later than the time of its effect."""
    return max(cause.time, min(cause.at, effect))


def _not_before(start: int, end: int | None) -> int | None:
    """The end of a span. Clocks differ and times are rounded, but effects follow causes."""
    return None if end is None else max(start, end)


def _worked(taken: Event, completion: Event | None, functions: Sequence[Span]) -> int | None:
    """How long functions worked between an event and its task's completion; None if unknown."""
    by_event = {span.took: span for span in functions}
    total, current = 0, taken.id
    while completion is not None and current != completion.id:
        span = by_event.pop(current, None)
        if span is None or span.working is None or span.gave is None:
            return None
        total, current = total + span.working, span.gave
    return total if completion is not None and current != taken.id else None


# -- Matching the events that a function gave with those that it took ------------------------------


def _pairs(taken: Sequence[Event], given: Sequence[Event]) -> dict[str, list[Event]]:
    """For each taken event, by its id, what the function gave for it; both in order of time."""
    index = _Index(taken)
    used: set[str] = set()
    found: dict[str, list[Event]] = defaultdict(list)
    for event in given:
        possible = index.candidates(event)
        earlier = [candidate for candidate in possible if candidate.at <= event.at]
        unused = [candidate for candidate in earlier or possible if candidate.id not in used]
        # A function may be called twice with one event and give two.
        if possible:
            chosen = unused[0] if unused else (earlier or possible)[-1]
            used.add(chosen.id)
            found[chosen.id].append(event)
    return found


class _Index:
    """Events by token and by the values that identify the work that they are about."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._by_token: dict[str, list[Event]] = defaultdict(list)
        self._by_fields: dict[frozenset[str], list[Event]] = defaultdict(list)
        self._without_token: dict[frozenset[str], list[Event]] = defaultdict(list)
        for event in events:
            names = frozenset(_identifying(event))
            self._by_fields[names].append(event)
            if event.token:
                self._by_token[event.token].append(event)
            else:
                self._without_token[names].append(event)
        self._by_values: dict[tuple[bool, frozenset[str], tuple[str, ...]], Any] = {}

    def candidates(self, given: Event) -> list[Event]:
        incoming = _meta(given).get("incoming")
        if given.token:
            found = self._by_token.get(given.token, []) + self._alike(given, tokens=False)
        else:
            found = self._alike(given, tokens=True)
        candidates = [
            event for event in found if incoming in (None, event.detail_type) and event is not given
        ]
        return sorted(candidates, key=lambda event: (event.at, event.id))

    def _alike(self, given: Event, *, tokens: bool) -> list[Event]:
        """Events that have the same value as the given one in every field that both have."""
        values = _identifying(given)
        found = []
        for names, events in (self._by_fields if tokens else self._without_token).items():
            shared = tuple(sorted(names & values.keys()))
            key = (tokens, names, shared)
            if key not in self._by_values:
                self._by_values[key] = defaultdict(list)
                for event in events:
                    own = _identifying(event)
                    self._by_values[key][tuple(own[name] for name in shared)].append(event)
            found += self._by_values[key].get(tuple(values[name] for name in shared), [])
        return found


def _identifying(event: Event) -> dict[str, str]:
    """The top-level values of a detail that may say which piece of work it is about."""
    return {
        name: json.dumps(value)
        for name, value in event.detail.items()
        if name not in _NOT_IDENTIFYING
        and isinstance(value, (str, int))
        and not (isinstance(value, str) and _is_placeholder(value))
    }


def _is_about(invocation: Invocation, values: Mapping[str, str]) -> bool:
    """Whether the log of an invocation has values of an event, and none that differs."""
    shared = values.keys() & invocation.values.keys()
    return bool(shared) and all(invocation.values[name] == values[name] for name in shared)


def _is_placeholder(value: str) -> bool:
    return bool(value == REMOVED or STORED_TOKEN.fullmatch(value) or LEFT_OUT.fullmatch(value))
