"""What follows from observed events: of recorded executions, and of generated ones."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.observability.catalogue import CATALOGUE
from handlers.observability.timeline import (
    Edge,
    Event,
    Invocation,
    Kind,
    Outcome,
    Span,
    Timeline,
    architecture,
    derive,
    job_of_event,
    job_of_execution,
)
from tests.unit.observability.sequences import ARN, EPOCH, JOB, Execution, token

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))


def recorded(name: str) -> list[Event]:
    """The events of an execution on the local AWS, as `GET /jobs/{id}` returned them."""
    found = json.loads((RECORDINGS / f"{name}.json").read_text())
    return [Event.from_dict(event) for event in found]


def of_kind(timeline: Timeline, kind: Kind) -> list[Span]:
    return [span for span in timeline.spans if span.kind is kind]


def hops(timeline: Timeline) -> set[tuple[str, str | None, str | None]]:
    return {(span.name, span.took, span.gave) for span in of_kind(timeline, Kind.FUNCTION)}


def states(timeline: Timeline) -> set[tuple[str, str | None, str | None]]:
    return {(span.name, span.took, span.gave) for span in of_kind(timeline, Kind.STATE)}


# -- Recorded executions --------------------------------------------------------------------------


def test_a_recorded_execution_has_a_span_for_each_state_and_function() -> None:
    timeline = derive(recorded("cookies"), CATALOGUE)

    assert timeline.status == "SUCCEEDED"
    assert Counter((span.kind, span.name) for span in timeline.spans) == {
        (Kind.EXECUTION, "stepworks-local-cookies"): 1,
        (Kind.MACHINE, "cookies-starter"): 1,
        (Kind.STATE, "cookies/Get Multiple"): 1,
        (Kind.STATE, "cookies/Process Single"): 3,
        (Kind.STATE, "cookies/Post Process All"): 1,
        (Kind.FUNCTION, "getMultiple"): 1,
        (Kind.FUNCTION, "processSingle"): 3,
        (Kind.FUNCTION, "postProcessSingle"): 3,
        (Kind.FUNCTION, "sideEffect"): 3,
        (Kind.FUNCTION, "postProcessAll"): 1,
    }
    assert {span.outcome for span in timeline.spans} == {Outcome.COMPLETED}
    assert {span.name for span in timeline.spans if span.side_effect} == {"sideEffect"}


def test_a_recorded_side_effect_is_tied_to_the_person_it_is_for() -> None:
    events = {event.id: event for event in recorded("cookies")}
    effects = [span for span in derive(events.values(), CATALOGUE).spans if span.side_effect]

    for span in effects:
        assert span.took
        assert span.gave
        assert events[span.took].detail["n"] == events[span.gave].detail["n"]
    assert {events[span.gave].detail["n"] for span in effects if span.gave} == {0, 1, 2}


def test_a_recorded_failure_is_the_functions_and_the_states() -> None:
    timeline = derive(recorded("cookies-failed"), CATALOGUE)

    assert timeline.status == "FAILED"
    failed = {(span.kind, span.name) for span in timeline.spans if span.outcome is Outcome.FAILED}
    assert failed == {
        (Kind.EXECUTION, "stepworks-local-cookies"),
        (Kind.STATE, "cookies/Get Multiple"),
        (Kind.FUNCTION, "getMultiple"),
    }
    assert {span.name for span in timeline.spans if span.outcome is Outcome.COMPLETED} == {
        "cookies-starter",
        "cookies/Report Failure",
        "postProcessAll",
    }


@pytest.mark.parametrize("name", ["messages", "messages-failed"])
def test_a_recorded_message_is_tied_to_the_execution_it_started(name: str) -> None:
    timeline = derive(recorded(name), CATALOGUE)

    (machine,) = of_kind(timeline, Kind.MACHINE)
    (execution,) = of_kind(timeline, Kind.EXECUTION)
    assert (machine.name, machine.outcome) == ("messages", Outcome.COMPLETED)
    assert machine.ended_at == execution.started_at
    assert timeline.events[0].detail_type == "message"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("sensor", Outcome.COMPLETED),
        ("signature-failed", Outcome.FAILED),
        ("signature-waiting", Outcome.WAITING),
        ("images-failed", Outcome.FAILED),
    ],
)
def test_of_the_other_workflows_the_execution_is_observed(name: str, outcome: Outcome) -> None:
    (span,) = derive(recorded(name), CATALOGUE).spans

    assert span.kind is Kind.EXECUTION
    assert span.outcome is outcome
    assert (span.ended_at is None) == (outcome is Outcome.WAITING)


def test_the_recorded_architecture_has_who_produced_what_for_whom() -> None:
    edges = architecture(recorded("cookies"), CATALOGUE)

    assert Edge(
        "function processSingle", "project", "task.process.single.post", "function sideEffect", 3
    ) in set(edges)
    assert Edge("function sideEffect", "project", "async.complete", None, 3) in set(edges)
    assert Edge("anyone", "project", "start", "machine cookies-starter", 1) in set(edges)
    assert sum(edge.count for edge in edges) == len(recorded("cookies")) + 3  # two consumers


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_neither_order_nor_duplicates_of_a_recording_matter(name: str, data: Any) -> None:
    events = recorded(name)
    again = data.draw(st.lists(st.sampled_from(events), max_size=8))
    shuffled = data.draw(st.permutations(events + again))

    assert derive(shuffled, CATALOGUE) == derive(events, CATALOGUE)
    assert architecture(shuffled, CATALOGUE) == architecture(events, CATALOGUE)


@pytest.mark.parametrize("name", NAMES)
def test_an_event_survives_being_written_as_json(name: str) -> None:
    events = recorded(name)

    assert [Event.from_dict(json.loads(json.dumps(event.as_dict()))) for event in events] == events


# -- Generated executions -------------------------------------------------------------------------

executions = st.builds(
    Execution,
    people=st.integers(0, 5),
    status=st.sampled_from(["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", None]),
    gaps=st.lists(st.sampled_from([0, 1, 40, 999, 1000, 60_000]), min_size=1, max_size=6),
    rounded=st.booleans(),
)


@given(executions)
def test_every_hop_and_every_state_has_its_span(execution: Execution) -> None:
    timeline = derive(execution.events(), CATALOGUE)

    assert hops(timeline) == execution.hops
    assert states(timeline) == execution.states
    assert timeline.status == (execution.status or "RUNNING")
    assert timeline.unfinished == ()


@given(executions, st.data())
def test_neither_order_nor_duplicates_matter(execution: Execution, data: Any) -> None:
    events = execution.events()
    late = [
        dataclasses.replace(event, received=(event.received or event.time) + 5)
        for event in data.draw(st.lists(st.sampled_from(events), max_size=10))
    ]
    events = [dataclasses.replace(event, received=event.received or event.time) for event in events]

    assert derive(data.draw(st.permutations(events + late)), CATALOGUE) == derive(events, CATALOGUE)


@given(executions, st.data())
def test_a_missing_event_costs_its_own_hops_only(execution: Execution, data: Any) -> None:
    events = execution.events()
    missing = data.draw(st.sampled_from(events)).id
    timeline = derive([event for event in events if event.id != missing], CATALOGUE)

    assert {hop for hop in hops(timeline) if hop[2]} == {
        hop for hop in execution.hops if missing not in hop
    }
    assert {state for state in states(timeline) if state[2]} == {
        state for state in execution.states if missing not in state
    }


@given(executions, st.data())
def test_times_never_go_backwards(execution: Execution, data: Any) -> None:
    """Whatever the clocks say: events may have any time."""
    events = [
        dataclasses.replace(
            event,
            time=EPOCH + data.draw(st.integers(0, 5000)),
            received=data.draw(st.none() | st.integers(EPOCH, EPOCH + 9000)),
        )
        for event in execution.events()
    ]
    invocations = [
        Invocation(function, EPOCH + start, EPOCH + start + 10)
        for function in ("processSingle", "getMultiple", "sideEffect")
        for start in data.draw(st.lists(st.integers(0, 5000), max_size=2))
    ]
    timeline = derive(events, CATALOGUE, invocations)

    assert [span.started_at for span in timeline.spans] == sorted(
        span.started_at for span in timeline.spans
    )
    for span in timeline.spans:
        assert span.ended_at is None or span.started_at <= span.ended_at
        assert (span.waiting is None) == (span.working is None)
        if span.waiting is not None and span.working is not None and span.ended_at is not None:
            assert span.waiting >= 0
            assert span.working >= 0
            assert span.waiting + span.working == span.ended_at - span.started_at


@given(executions)
def test_the_architecture_counts_every_event_once_for_each_consumer(execution: Execution) -> None:
    events = execution.events()
    edges = architecture(events, CATALOGUE)
    consumers = {(entry.source, entry.detail_type): len(entry.consumers) for entry in CATALOGUE}

    assert sum(edge.count for edge in edges) == sum(
        consumers.get(event.type, 0) or 1 for event in events
    )


# -- What waits and what never completed ----------------------------------------------------------


def without(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event.detail_type not in kinds]


def test_what_has_no_completion_yet_waits_since_its_event() -> None:
    events = [
        event
        for event in Execution(people=1, status=None).events()
        if event.detail.get("TaskToken") != token(1) or event.detail_type == "task.process.all"
    ]
    asked = events[-1]

    assert asked.detail_type == "task.process.all"
    waiting = derive(events, CATALOGUE).waiting
    assert [(span.kind, span.name, span.started_at) for span in waiting] == [
        (Kind.EXECUTION, "stepworks-test-cookies", EPOCH + 250),
        (Kind.STATE, "cookies/Post Process All", asked.at),
        (Kind.FUNCTION, "postProcessAll", asked.at),
    ]


def test_what_has_not_completed_when_the_execution_ended_is_unfinished() -> None:
    events = without(Execution(people=2, status="ABORTED").events(), "async.complete")
    timeline = derive(events, CATALOGUE)

    assert timeline.waiting == ()
    assert [(span.name, span.side_effect) for span in timeline.unfinished] == [
        ("sideEffect", True),
        ("sideEffect", True),
    ]


def test_an_event_that_started_nothing_waits() -> None:
    (start,) = (event for event in Execution().events() if event.detail_type == "start")
    timeline = derive([start], CATALOGUE)

    assert timeline.status == "UNKNOWN"
    (span,) = timeline.waiting
    assert (span.kind, span.name, span.started_at) == (Kind.MACHINE, "cookies-starter", start.at)


def test_a_late_event_about_an_earlier_status_changes_nothing() -> None:
    """The clocks of two changes may even be the same."""
    events = Execution(gaps=[0]).events()

    assert derive(reversed(events), CATALOGUE).status == "SUCCEEDED"


def test_a_redriven_execution_runs_again() -> None:
    events = Execution(status="FAILED").events()
    running = next(event for event in events if event.detail.get("status") == "RUNNING")
    redriven = dataclasses.replace(
        running,
        id="redriven",
        time=events[-1].time + 1000,
        detail={**running.detail, "redriveCount": 1},
    )
    timeline = derive([redriven, *events], CATALOGUE)

    assert timeline.status == "RUNNING"
    assert timeline.ended_at is None
    assert timeline.started_at == running.at


def test_nothing_follows_from_nothing() -> None:
    assert derive([], CATALOGUE) == Timeline("UNKNOWN", None, None, (), ())


# -- What is told apart ---------------------------------------------------------------------------


def test_a_function_that_is_called_twice_may_give_two_events() -> None:
    events = Execution(people=1).events()
    (first,) = (event for event in events if event.detail_type == "async.complete")
    second = dataclasses.replace(first, id="again", time=first.time + 10)
    effects = [s for s in derive([*events, second], CATALOGUE).spans if s.side_effect]

    assert [(span.took, span.gave) for span in effects] == [
        (effects[0].took, first.id),
        (effects[0].took, "again"),
    ]


def test_a_retried_task_has_hops_of_its_own() -> None:
    """The second attempt of a state has another token, and the same person."""
    execution = Execution(people=1)
    events = execution.events()
    retried = [
        dataclasses.replace(
            event,
            id=f"{event.id}-retried",
            time=event.time + 10_000,
            detail={**event.detail, "TaskToken": token(99)},
        )
        for event in events
        if event.detail.get("TaskToken") == token(2)
    ]
    timeline = derive(events + retried, CATALOGUE)

    again = {(name, f"{took}-retried", f"{gave}-retried") for name, took, gave in execution.hops}
    assert {hop for hop in hops(timeline) if hop[0] == "processSingle"} == {
        hop for hop in execution.hops | again if hop[0] == "processSingle"
    }


def test_tasks_of_the_same_form_are_told_apart_by_their_tokens() -> None:
    """The second task is completed before the first."""

    def event(name: str, kind: str, number: int, time: int, **more: Any) -> Event:
        detail = {"execution": ARN, "stateName": "Get Multiple", "TaskToken": token(number)}
        return Event(name, JOB, "project", kind, EPOCH + time, {**detail, **more})

    meta = {"fn": "getMultiple", "incoming": "task.get.multiple"}
    events = [
        event("ask 1", "task.get.multiple", 1, 0),
        event("ask 2", "task.get.multiple", 2, 10),
        event("done 2", "task.finished", 2, 20, meta=meta),
        event("done 1", "task.finished", 1, 30, meta=meta),
    ]

    assert hops(derive(events, CATALOGUE)) == {
        ("getMultiple", "ask 1", "done 1"),
        ("getMultiple", "ask 2", "done 2"),
    }


def test_a_producer_that_the_catalogue_does_not_know_is_anyone() -> None:
    """Everyone who may put events can claim to be a function."""
    event = Event(
        "e1",
        JOB,
        "project",
        "task.process.single",
        EPOCH,
        {"execution": ARN, "stateName": "Process Single", "meta": {"fn": "processSingle"}},
    )
    unknown = dataclasses.replace(event, id="e2", detail_type="task.unknown")

    assert {edge.producer for edge in architecture([unknown], CATALOGUE)} == {"anyone"}
    assert {edge.producer for edge in architecture([event], CATALOGUE)} == {
        "state cookies/Process Single"  # the only producer of the catalogue
    }


def test_waiting_is_told_from_working_where_an_invocation_is_known() -> None:
    events = Execution(people=0, gaps=[1000]).events()
    asked = next(event for event in events if event.detail_type == "task.get.multiple")
    known = [Invocation("getMultiple", asked.at + 300, asked.at + 1010)]
    spans = {span.name: span for span in derive(events, CATALOGUE, known).spans}

    assert (spans["getMultiple"].waiting, spans["getMultiple"].working) == (300, 700)
    state = spans["cookies/Get Multiple"]
    assert (state.waiting, state.working) == (300, 700)
    assert spans["postProcessAll"].waiting is None
    assert spans["cookies/Post Process All"].working is None


def test_two_possible_invocations_tell_nothing() -> None:
    events = Execution(people=0, gaps=[1000]).events()
    asked = next(event for event in events if event.detail_type == "task.get.multiple")
    known = [Invocation("getMultiple", asked.at + start, asked.at + 1010) for start in (300, 400)]
    spans = {span.name: span for span in derive(events, CATALOGUE, known).spans}

    assert spans["getMultiple"].working is None


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([(300, 500, {"n": "0"})], id="one had ended before"),
        pytest.param([(300, 5010, {"n": "8"}), (350, 5020, {})], id="they name another person"),
    ],
)
def test_of_invocations_at_the_same_time_the_one_that_fits_is_taken(
    others: list[tuple[int, int, dict[str, str]]],
) -> None:
    events = Execution(people=1, gaps=[5000]).events()
    asked = next(event for event in events if event.detail_type == "task.process.single")
    values = {"n": json.dumps(asked.detail["n"]), "key": '"people/1"'}
    known = [
        Invocation("processSingle", asked.at + start, asked.at + end, named)
        for start, end, named in [(400, 5010, values), *others]
    ]

    span = next(s for s in derive(events, CATALOGUE, known).spans if s.name == "processSingle")

    assert span.waiting == 400


@pytest.mark.parametrize(
    ("time", "received", "at"),
    [
        pytest.param(5000, 5300, 5300, id="within its second"),
        pytest.param(5000, 9000, 5999, id="received late"),
        pytest.param(5000, 4990, 5000, id="received before it happened"),
        pytest.param(5000, None, 5000, id="receipt not known"),
        pytest.param(5123, 5300, 5123, id="its own time is exact"),
    ],
)
def test_when_an_event_happened(time: int, received: int | None, at: int) -> None:
    assert Event("e", JOB, "s", "t", time, {}, received).at == at


def test_the_ids_of_jobs() -> None:
    assert job_of_execution(ARN) == "stepworks-test-cookies:one"
    assert job_of_event("e1") == "event:e1"


def test_thousands_of_events_are_derived_in_a_moment() -> None:
    """An execution with all 350 people; the time is bounded by the suite's own limit."""
    execution = Execution(people=350)

    assert hops(derive(execution.events(), CATALOGUE)) == execution.hops
