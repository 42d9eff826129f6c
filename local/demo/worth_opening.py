"""The run that is worth opening in the console after the demo."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from local.aws import Aws
from local.settings import STACK

SAID = {"RUNNING": "waits", "FAILED": "failed", "TIMED_OUT": "timed out"}


@dataclass(frozen=True)
class Worth:
    """A run, what is the matter with it, and the address of its page."""

    name: str
    matter: str
    address: str

    def __str__(self) -> str:
        return f"A run worth opening: {self.name} {self.matter}.\n{self.address}"


def worth_opening(aws: Aws) -> Worth | None:
    """The newest run that waits; if there is none, the newest that failed."""
    machines = aws.client("stepfunctions").list_state_machines()["stateMachines"]
    executions = [
        execution
        for machine in machines
        if machine["name"].startswith(f"{STACK}-") and machine["type"] == "STANDARD"
        for execution in aws.executions(machine["stateMachineArn"])
    ]
    return choose(executions, aws.settings.console)


def choose(executions: list[dict[str, Any]], console: str) -> Worth | None:
    """The one worth opening, of executions as ListExecutions has them."""
    # One that waits can still be watched and answered; one that failed has something to explain.
    for statuses in (("RUNNING",), ("FAILED", "TIMED_OUT")):
        found = [one for one in executions if one["status"] in statuses]
        if found:
            newest = max(found, key=lambda one: one["startDate"])
            machine, name = newest["executionArn"].split(":")[-2:]
            title = machine.removeprefix(f"{STACK}-")
            address = f"{console}runs/{quote(f'{machine}:{name}', safe=':')}"
            return Worth(f"{title} {name}", SAID[newest["status"]], address)
    return None
