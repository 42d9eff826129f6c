"""Runs a case, and makes the cases of a workflow from its clean runs."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import reduce
from importlib import import_module
from typing import Any
from unittest.mock import patch

from faults import kinds, promises, stack
from faults.address import Call, Case, Fault
from faults.kinds import Times
from faults.scenario import Scenario, Workflow
from faults.world import World, world_of


@dataclass(frozen=True)
class Outcome:
    """How a run ended, which calls it made, and which promises it broke."""

    case: Case
    ended: str
    broken: tuple[str, ...]
    calls: tuple[Call, ...] = field(repr=False)
    reached: bool  # whether the fault happened; of two, the first may prevent the second


def workflow(name: str) -> Workflow:
    found: Workflow = import_module(f"faults.workflows.{name}").WORKFLOW
    return found


def run(case: Case) -> Outcome:
    """Run a case to its end."""
    of, scenario = workflow(case.workflow), workflow(case.workflow).scenario(case.scenario)
    with ExitStack() as options:
        for target, attribute, value in scenario.options:
            options.enter_context(_option(target, attribute, value))
        with world_of(case) as world:
            world.network.faults = (*case.faults, *scenario.given)
            world.functions.environment = scenario.environment
            scenario.begin(world)
            world.timeline.run()
            broken = (*promises.broken(world), *of.broken(world))
            return Outcome(
                case,
                _ended(world),
                broken,
                tuple(call for call in world.network.calls if _is_of(case.workflow, call)),
                _has_happened(case, world.network.applied),
            )


def _is_of(workflow: str, call: Call) -> bool:
    """Whether a call is one of a workflow's own; a scenario may need others."""
    if workflow == "console":
        return call.is_of_the_console
    if call.is_of_a_machine:
        return call.caller.partition("/")[0] in stack.machines_of(workflow)
    function = stack.functions().get(call.caller)
    return function is None or function.workflow == workflow


def _has_happened(case: Case, applied: set[Fault]) -> bool:
    return not case.faults or any(fault in applied for fault in case.faults)


def _option(target: str, attribute: str, value: object) -> Any:
    found = _found(target)
    if isinstance(found, dict):
        return patch.dict(found, {attribute: value})
    return patch.object(found, attribute, value)


def _found(path: str) -> Any:
    """A module, or what is in it: `handlers.sensor.store.ReadingStore`."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        return reduce(getattr, parts[length:], module)
    raise LookupError(path)


def _ended(world: World) -> str:
    """How the executions ended, in one line."""
    ends = [e.error or e.status for e in world.machines.all_executions()]
    counted = {end: ends.count(end) for end in dict.fromkeys(ends)}
    return ", ".join(e if n == 1 else f"{n} x {e}" for e, n in counted.items()) or "not started"


def cases(of: Workflow, scenario: Scenario, calls: tuple[Call, ...]) -> Iterator[Case]:
    """Every fault of every call of a clean run."""
    given = {fault.call.place for fault in scenario.given if fault.times is Times.EVER}
    seen: set[tuple[str, str, int]] = set()
    for call in calls:
        # Of what a schedule repeats, or what a given fault makes a machine repeat, once is enough.
        repeats = call.caller in scenario.periodic or bool(given)
        is_repeated = repeats and (call.caller, call.operation, call.nth) in seen
        seen.add((call.caller, call.operation, call.nth))
        names = {call.caller, " ".join(call.place)}
        is_chosen = not scenario.only or bool(names & {*scenario.only})
        if call.place not in given and is_chosen and not is_repeated:
            for kind, times in _faults_of(call):
                yield Case(of.name, scenario.name, (Fault(call, kind, times),))


def _faults_of(call: Call) -> Iterator[tuple[kinds.Kind, Times]]:
    operation = call.operation.rpartition(":")[2]
    if call.is_delivery:
        yield from ((kind, Times.ONCE) for kind in kinds.DELIVERY_KINDS)
    elif call.is_of_the_console:
        yield from kinds.of_console_call(operation)
    elif call.is_of_a_machine:
        yield from kinds.of_machine_call(operation)
    else:
        yield from kinds.of_function_call(operation)
