"""What every workflow promises: its executions end, in time, with an error name that says why."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

import yaml

from faults import stack
from faults.machines import machine_seconds
from faults.world import World
from handlers.shared import events
from handlers.shared.errors import PermanentError, TransientError
from tests.support import asl


def broken(world: World) -> Iterator[str]:
    for execution in world.machines.all_executions():
        machine = execution.state_machine.name.removeprefix(f"stepworks-{stack.STAGE}-")
        name = f"the execution of {machine}"
        if execution.status == "RUNNING":
            yield f"{name} has not ended"
            continue
        began, ended = (
            moments[execution.exec_arn]
            for moments in (world.machines.started_at, world.machines.ended_at)
        )
        if ended - began > machine_seconds(machine):
            yield f"{name} took {ended - began:.0f} s"
        if execution.status == "FAILED" and execution.error not in error_names():
            yield f"{name} ended with {execution.error}: {execution.cause}"
        if execution.status == "TIMED_OUT":
            yield f"{name} timed out"


@cache
def error_names() -> frozenset[str]:
    """The names that an execution may end with: our classes, the Fail states', those of AWS."""
    known = yaml.safe_load((asl.DEFINITIONS / "error-names.yml").read_text())
    of_aws = {
        name
        for integration in known.values()
        for names in integration.values()
        for name in names
        if not name.startswith("States.")
    }
    of_states = {
        str(body["Error"])
        for machine in asl.machines()
        for state in asl.states(machine)
        for body in (state.body, state.body.get("Parameters", {}))  # a Pass state may make one
        if "Error" in body
    }
    for path in (asl.ROOT / "handlers").glob("*/errors.py"):
        import_module(f"handlers.{path.parent.name}.errors")
    return frozenset(of_aws | of_states | _classes(PermanentError) | _classes(TransientError))


# Importing it defines its errors, too.
assert issubclass(events.EventsNotPutError, TransientError)


def _classes(base: type) -> set[str]:
    return {base.__name__}.union(*map(_classes, base.__subclasses__()))
