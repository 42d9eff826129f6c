"""What a workflow gives this tool: scenarios to run, and promises to check afterwards."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from faults.address import Fault
from faults.kinds import Times
from faults.world import World


@dataclass(frozen=True)
class Scenario:
    """A use of the workflow. `given` are faults that belong to it, to reach its failing paths."""

    name: str
    begin: Callable[[World], None]
    given: tuple[Fault, ...] = ()
    # Callers, or places, whose calls fail; others fail in another scenario.
    only: tuple[str, ...] = ()
    periodic: tuple[str, ...] = ()  # functions of which one invocation is like another
    # Options of the code under test that make its calls few and their number fixed: (module,
    # attribute, value).
    options: tuple[tuple[str, str, object], ...] = field(default=(), repr=False)
    # Environment variables that differ from functions.yml.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Workflow:
    """Scenarios, and the promises that are broken after a run, as sentences; none if all hold."""

    name: str
    scenarios: tuple[Scenario, ...]
    broken: Callable[[World], Iterator[str]]

    def scenario(self, name: str) -> Scenario:
        return next(scenario for scenario in self.scenarios if scenario.name == name)


def lasts(world: World) -> bool:
    """Whether a fault lasts longer than all retries: then only the weaker promises are checked."""
    return any(fault.times is Times.EVER for fault in world.case.faults)


def touches(world: World, *callers: str) -> bool:
    """Whether a fault is in one of these functions, or in a state or delivery with such a name."""
    return any(
        fault.call.caller in callers or fault.call.caller.rpartition("/")[2] in callers
        for fault in world.case.faults
    )
