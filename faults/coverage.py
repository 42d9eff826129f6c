"""What no case reaches: functions, states, and calls that the source names."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import botocore.session
import yaml
from botocore import xform_name

from faults import person, stack
from faults.address import Call
from tests.support import asl

FILE = Path(__file__).with_name("unreached.yml")
_SERVICES = (
    "s3", "dynamodb", "ses", "stepfunctions", "events", "sqs", "sns", "scheduler", "lambda",
)  # fmt: skip
# How operations begin that change nothing.
_READS = ("get_", "head_", "list_", "query", "scan", "describe_", "batch_get_", "receive_", "test_")


def unreached(workflow: str, calls: Collection[Call]) -> list[str]:
    """What of a workflow its clean runs do not reach, except for what the reviewed list has."""
    known = known_gaps(workflow)
    found = [gap for gap in _gaps(workflow, calls) if gap not in known]
    return found + [
        f"{gap} is reached, but unreached.yml has it" for gap in _stale(workflow, calls)
    ]


def known_gaps(workflow: str) -> dict[str, str]:
    """The reviewed list of a workflow: what is not reached, and why."""
    return {
        gap: reason.strip()
        for gap, reason in ((yaml.safe_load(FILE.read_text()) or {}).get(workflow) or {}).items()
    }


def _stale(workflow: str, calls: Collection[Call]) -> list[str]:
    gaps = set(_gaps(workflow, calls))
    return [gap for gap in known_gaps(workflow) if gap not in gaps]


def _gaps(workflow: str, calls: Collection[Call]) -> Iterator[str]:
    callers = {call.caller for call in calls}
    if workflow == "console":
        yield from _gaps_of_the_console(
            callers, {call.operation.partition(":")[2] for call in calls}
        )
        return
    for machine in stack.machines_of(workflow):
        for name in stack.calling_states(machine):
            if f"{machine}/{name}" not in callers:
                yield f"state {machine}/{name}"
    invoked = {call.caller for call in calls if not call.is_of_a_machine}
    called = {xform_name(call.operation.partition(":")[2]) for call in calls}
    for function in stack.functions().values():
        if function.workflow == workflow and function.key not in invoked | _callless():
            yield f"function {function.key}"
    made = {(call.caller, call.operation) for call in calls}
    for function in stack.functions().values():
        if function.workflow == workflow and function.key in invoked:
            for action in sorted(function.actions):
                if _is_an_operation(action) and (function.key, _as_call(action)) not in made:
                    yield f"function {function.key} {action}"
    for path in sorted((asl.ROOT / "handlers" / workflow).glob("*.py")):
        for operation in sorted(operations_in(path.relative_to(asl.ROOT)) - called):
            yield f"{path.stem}.py {operation}"


def _gaps_of_the_console(callers: set[str], called: set[str]) -> Iterator[str]:
    """Its actions, and the operations that its source names and that change something."""
    for action in sorted(person.actions().values()):
        if action not in callers:
            yield f"action {action}"
    made = {xform_name(operation) for operation in called}
    for path in (*sorted(asl.ROOT.glob("console/*.py")), asl.ROOT / "ops" / "dead_letters.py"):
        for operation in sorted(_named_in(path.relative_to(asl.ROOT)) - made):
            if not operation.startswith(_READS):
                yield f"{path.name} {operation}"


def _is_an_operation(action: str) -> bool:
    """Whether an action that a role allows is an operation of the same name.

    In S3 it often is not: HeadObject requires s3:GetObject.
    """
    return not action.startswith(("s3:", "iam:"))


def _as_call(action: str) -> str:
    service, _, operation = action.partition(":")
    return f"{'stepfunctions' if service == 'states' else service}:{operation}"


@cache
def _callless() -> frozenset[str]:
    """Functions that call no AWS service, and so have no calls that could fail."""
    return frozenset(f.key for f in stack.functions().values() if not f.actions)


@cache
def operations_in(path: Path) -> frozenset[str]:
    """The operations of AWS services that a file of Python calls, as boto3 names them."""
    tree = ast.parse((asl.ROOT / path).read_text())
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {function.attr for function in called if isinstance(function, ast.Attribute)}
    return frozenset(names & _operations())


@cache
def _named_in(path: Path) -> frozenset[str]:
    """The operations that a file calls, or whose names it hands to what calls them."""
    tree = ast.parse((asl.ROOT / path).read_text())
    given = {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    return operations_in(path) | frozenset(given & _operations())


@cache
def _operations() -> frozenset[str]:
    session = botocore.session.get_session()
    return frozenset(
        xform_name(operation)
        for service in _SERVICES
        for operation in session.get_service_model(service).operation_names
    )
