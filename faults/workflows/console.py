"""The promises of the console's write actions: docs/console.md, "When an action fails".

A person opens a page, uses an action, and reads the answer. Unless it says that the action took
effect, the person reads the page again after a while and repeats it if that is still needed.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from console.runs import run_id
from faults import stack
from faults.letters import Letter
from faults.person import NO_RESPONSE, Answer, Person
from faults.scenario import Scenario, Workflow, lasts
from faults.workflows.messages import BUS, QUEUE, SOURCE
from faults.world import World
from handlers.observability.event_record import event_record, item_of
from tests.support import asl

MACHINE = f"stepworks-{stack.STAGE}-{stack.CONSOLE_WORKFLOW}"
EVENT = "11111111-2222-3333-4444-555555555555"
_SOURCE = "com.example.person"  # no rule matches it
_SOURCE_QUEUE = "AnyQueue"  # of which the dead-letter queue is one
_MACHINE_ARN = stack.machine_arns()["MessagesStateMachine"]
_RULE_ARN = f"arn:aws:events:{asl.REGION}:{asl.ACCOUNT}:rule/{BUS}/MessagesRule"
_SQS = f"arn:aws:sqs:{asl.REGION}:{asl.ACCOUNT}"
_EVENT: dict[str, Any] = {
    "version": "0", "id": EVENT, "source": SOURCE, "detail-type": "message",
    "time": "2026-11-22T10:00:00Z", "detail": {"message": "{}"},
}  # fmt: skip
_ATTEMPTS = 4  # until the person gives up
# Seconds: more than a request is delayed; three of them are less than the task waits.
_PAUSE = 12.0
_UNTIL_VISIBLE = 1_000.0  # seconds; a console that was killed has hidden letters for 900
_FUNCTION = f"arn:aws:lambda:{asl.REGION}:{asl.ACCOUNT}:function:anyFunction"


@dataclass
class _Used:
    """What the person was told, and how often the action had taken effect before and after."""

    answer: Answer
    before: int
    after: int


@dataclass
class _Facts:
    """Of a run: what is checked afterwards."""

    used: list[_Used] = field(default_factory=list)
    effects: Callable[[], int] = lambda: 0
    letter: Letter | None = None


@dataclass(frozen=True)
class _Action:
    """An action of the console, as the person uses it."""

    path: str
    # From what the page shows to what the address of the request has; None: not needed any more.
    find: Callable[[World, Person], dict[str, str] | None]
    body: Callable[[World], dict[str, Any]]
    effects: Callable[[World], int]  # how often it has taken effect
    # Whether the person may repeat it without looking whether it took effect.
    is_repeatable: bool = True
    pause: float = _PAUSE


def _use(action: _Action) -> Callable[[World], None]:
    def use(world: World) -> None:
        facts: _Facts = world.people
        facts.effects = lambda: action.effects(world)
        person = Person(world)
        for _ in range(_ATTEMPTS):
            given = action.find(world, person)
            if given is None:
                return
            before = action.effects(world)
            answer = person.acts(action.path, action.body(world), **given)
            facts.used.append(_Used(answer, before, action.effects(world)))
            results = answer.body.get("results", []) if answer.body else []
            if answer.outcome == "done" and all(result["sent"] for result in results):
                return
            world.timeline.sleep(action.pause)
            if answer.outcome == "unknown" and not action.is_repeatable and action.effects(world):
                return  # the person has looked, as the answer says

    return use


# -- What there is to act upon ---------------------------------------------------------------------


def _after(prepare: Callable[[World], None], action: _Action) -> Callable[[World], None]:
    """Prepare something, and use an action when it is there."""

    def begin(world: World) -> None:
        world.people = _Facts()
        world.timeline.after(0, lambda: prepare(world))
        world.timeline.after(5, lambda: _use(action)(world))

    return begin


def _message(text: str) -> Callable[[World], None]:
    def put(world: World) -> None:
        world.buses.publish(SOURCE, "message", {"message": text}, BUS)

    return put


def _nothing(_: World) -> None:
    pass


def _logged_event(world: World) -> None:
    """An event is in the event log."""
    envelope = {
        "id": EVENT, "source": _SOURCE, "detail-type": "note", "detail": {"text": "hello"},
        "time": datetime.fromtimestamp(world.timeline.now, UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    now = round(world.timeline.now * 1000)
    record = event_record(envelope, machine_prefix="", hashed=str, received=now)
    item = item_of(record, expiration=now, recorded=now)
    world.dynamodb.put_item(TableName="EventLogTable", Item=item)


def _letter(body: Any, system: dict[str, str], **attributes: str) -> Callable[[World], None]:
    """A letter is in the dead-letter queue, beside another one that nobody sends."""

    def put(world: World) -> None:
        world.letters.put(QUEUE, "another", {}, TARGET_ARN=_FUNCTION)
        letter = world.letters.put(QUEUE, json.dumps(body), system, **attributes)
        world.people.letter = letter

    return put


# -- The actions -----------------------------------------------------------------------------------


def _waiting_task(world: World, person: Person) -> dict[str, str] | None:
    tasks = person.reads("waiting")["waiting"]
    return {"id": tasks[0]["id"]} if tasks else None


def _run(*statuses: str) -> Callable[[World, Person], dict[str, str] | None]:
    """The first run of the list, as long as it has one of these statuses."""

    def find(world: World, person: Person) -> dict[str, str] | None:
        person.reads("runs")
        first = world.machines.executions(MACHINE)[0]
        return {"id": run_id(first.exec_arn)} if first.status in statuses else None

    return find


def _always(**given: str) -> Callable[[World, Person], dict[str, str]]:
    def find(_: World, person: Person) -> dict[str, str]:
        person.reads("runs")
        return given

    return find


def _the_letter(world: World, person: Person) -> dict[str, str] | None:
    return None if world.people.letter.is_deleted else {"queue": QUEUE}


def _more_runs(world: World) -> int:
    return len(world.machines.executions(MACHINE)) - (1 if world.case.scenario == "rerun" else 0)


def _deliveries(world: World) -> int:
    """How often the letter has reached what it was meant for."""
    sent: str = world.people.letter.body
    runs = world.machines.executions(MACHINE)
    reached = [
        *(run.input_data for run in runs),
        *world.invoked,
        *world.queues.of(_SOURCE_QUEUE),
    ]
    body = json.loads(sent)
    return reached.count(body.get("requestPayload", body))


_ACTIONS = {
    "complete": _Action(
        "waiting/{id}/complete",
        _waiting_task,
        lambda _: {"output": {"StatusCode": 200}},
        lambda world: len(world.machines.callbacks),
    ),
    "fail": _Action(
        "waiting/{id}/fail",
        _waiting_task,
        lambda _: {"error": "NotNeededError", "cause": "by a person"},
        lambda world: len(world.machines.callbacks),
    ),
    "stop": _Action(
        "runs/{id}/stop",
        _run("RUNNING"),
        lambda _: {},
        lambda world: [e.status for e in world.machines.executions(MACHINE)].count("ABORTED"),
    ),
    "redrive": _Action(
        "runs/{id}/redrive",
        _run("FAILED"),
        lambda _: {},
        lambda world: len(world.machines.executions_api.redriven),
        pause=20,  # shorter than the redriven run takes
    ),
    "rerun": _Action(
        "runs/{id}/rerun", _run("FAILED"), lambda _: {}, _more_runs, is_repeatable=False
    ),
    "start": _Action(
        "workflows/{name}/start",
        _always(name=MACHINE),
        lambda _: {"input": _EVENT},
        _more_runs,
        is_repeatable=False,
    ),
    "put": _Action(
        "events",
        _always(),
        lambda _: {"bus": BUS, "source": _SOURCE, "type": "note", "detail": {"text": "hello"}},
        lambda world: len(world.buses.of_source(_SOURCE)),
        is_repeatable=False,
    ),
    "again": _Action(
        "events/{id}/send",
        _always(id=EVENT),
        lambda _: {"bus": BUS},
        lambda world: len(world.buses.of_source(_SOURCE)),
        is_repeatable=False,
    ),
    "send": _Action(
        "dead-letters/{queue}/send",
        _the_letter,
        lambda world: {"ids": [world.people.letter.id]},
        _deliveries,
        pause=_UNTIL_VISIBLE,
    ),
}


# -- The promises ----------------------------------------------------------------------------------


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    facts: _Facts = world.people
    for used in facts.used:
        if world.case.scenario.startswith("letter"):
            yield from _broken_by_letters(used)
        else:
            yield from _broken_by_answer(used)
    effects = facts.effects()
    if not effects and not lasts(world):
        yield "the action did not take effect, although it was repeated"
    if facts.letter is None:
        if effects > 1:
            yield f"the action took effect {effects} times"
        return
    if facts.letter.is_deleted and not effects:
        yield "the letter is lost"
    if not facts.letter.is_deleted and not lasts(world):
        yield "the letter is still in the queue, although it was sent again"
    if facts.letter.attributes.get("TARGET_ARN", "").startswith("arn:aws:states") and effects > 1:
        yield f"the letter started {effects} executions"
    if len(world.letters.of(QUEUE)) != (1 if facts.letter.is_deleted else 2):
        yield "the other letter is not in the queue any more"


def _broken_by_answer(used: _Used) -> Iterator[str]:
    """What the person reads is true."""
    said = used.answer.said
    match used.answer.outcome:
        case "done":
            if not used.after:
                yield "the person was told that the action took effect, and it did not"
        case "not done":
            if used.after != used.before:
                yield f"the action took effect, and the person was told: {said}"
            if not said or "Retrying" in said:
                yield f"the person was told: {said}"
        case "unknown":
            if used.answer.status != NO_RESPONSE and "Look" not in said:
                yield f"the person does not read what to do: {said}"


def _broken_by_letters(used: _Used) -> Iterator[str]:
    """An answer about letters says of each what became of it."""
    if used.answer.outcome != "done":
        yield from _broken_by_answer(used)
        return
    for result in used.answer.body["results"]:
        what = result["what"]
        if result["sent"]:
            if not used.after:
                yield f"the person was told that the letter was sent, and it was not: {what}"
        elif used.after != used.before and "may" not in what:
            yield f"the letter was sent, and the person was told: {what}"


_NO_ANSWER = (("handlers.messages.record_message", "handler", lambda *_: None),)


def _scenario(name: str, prepare: Callable[[World], None], action: str, **more: Any) -> Scenario:
    return Scenario(name, _after(prepare, _ACTIONS[action]), **more)


WORKFLOW = Workflow(
    "console",
    (
        _scenario("complete", _message("{}"), "complete", options=_NO_ANSWER),
        _scenario("fail", _message("{}"), "fail", options=_NO_ANSWER),
        _scenario("stop", _message("{}"), "stop", options=_NO_ANSWER),
        _scenario("redrive", _message("{not JSON"), "redrive"),
        _scenario("rerun", _message("{not JSON"), "rerun"),
        _scenario("start", _nothing, "start"),
        _scenario("put", _nothing, "put"),
        _scenario("again", _logged_event, "again"),
        _scenario(
            "letter of a rule",
            _letter(_EVENT, {}, TARGET_ARN=_MACHINE_ARN, RULE_ARN=_RULE_ARN),
            "send",
        ),
        _scenario(
            "letter of a function",
            _letter({"requestContext": {"functionArn": _FUNCTION}, "requestPayload": {"n": 1}}, {}),
            "send",
        ),
        _scenario(
            "letter of a queue",
            _letter({"n": 1}, {"DeadLetterQueueSourceArn": f"{_SQS}:{_SOURCE_QUEUE}"}),
            "send",
        ),
    ),
    broken,
)
