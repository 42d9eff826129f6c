"""Which call or delivery a fault happens to, and how a case is written on one line."""

from dataclasses import dataclass
from functools import total_ordering

from faults.kinds import Kind, Times


@total_ordering
@dataclass(frozen=True)
class Call:
    """A call to AWS: the n-th one of an operation in the n-th invocation of a function.

    `caller` is a function's key; for a call of a machine itself `machine/State`, where an
    invocation is one try of the state; for a call of the console the function of one of its
    actions, `console.run.stop`; for a delivery its channel, with one call for each delivery.
    A number of all calls would shift as soon as two executions overlap; these numbers do not.
    """

    caller: str
    invocation: int
    operation: str  # `s3:PutObject`; of a delivery `deliver`
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.caller}#{self.invocation} {self.operation}#{self.nth}"

    def __lt__(self, other: "Call") -> bool:
        return (self.caller, self.invocation, self.operation, self.nth) < (
            other.caller,
            other.invocation,
            other.operation,
            other.nth,
        )

    @property
    def is_delivery(self) -> bool:
        return self.operation == "deliver"

    @property
    def is_of_a_machine(self) -> bool:
        return "/" in self.caller

    @property
    def is_of_the_console(self) -> bool:
        return self.caller.startswith("console.")

    @property
    def place(self) -> tuple[str, str]:
        """Caller and operation: what a reader finds in the code."""
        return self.caller, self.operation

    @classmethod
    def parse(cls, text: str) -> "Call":
        before, _, nth = text.rpartition("#")
        left, _, operation = before.rpartition(" ")
        caller, _, invocation = left.rpartition("#")
        return cls(caller, int(invocation), operation, int(nth))


@dataclass(frozen=True)
class Fault:
    """What happens to a call, and for how long."""

    call: Call
    kind: Kind
    times: Times = Times.ONCE

    def __str__(self) -> str:
        return f"{self.call}: {self.kind}, {self.times}"

    def applies_to(self, call: Call, attempt: int) -> bool:
        """Whether an HTTP request fails: the `attempt`-th one, from 1, of a call."""
        if self.times is Times.EVER:
            begun = (call.invocation, call.nth) >= (self.call.invocation, self.call.nth)
            return call.place == self.call.place and begun
        return call == self.call and (attempt == 1 or self.times is Times.CALL)

    @classmethod
    def parse(cls, text: str) -> "Fault":
        call, _, rest = text.rpartition(": ")
        kind, _, times = rest.partition(", ")
        return cls(Call.parse(call), Kind(kind), Times(times))


@dataclass(frozen=True)
class Case:
    """A scenario and its faults: usually one, two in the sample of pairs, none in a clean run."""

    workflow: str
    scenario: str
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return " | ".join([f"{self.workflow}, {self.scenario}", *map(str, self.faults)])

    @classmethod
    def parse(cls, text: str) -> "Case":
        start, *faults = text.split(" | ")
        workflow, _, scenario = start.partition(", ")
        return cls(workflow, scenario, tuple(map(Fault.parse, faults)))
