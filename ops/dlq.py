"""`python -m ops dlq …`: list, show and redrive dead letters.

On the local AWS or, with `--stage dev`, in the AWS account of the current session.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.account import Account, add_stage_argument
from ops.clients import Clients
from ops.dead_letters import HELD_SECONDS, DeadLetter, DeadLetterQueue, Letters, Redriven
from ops.errors import OpsError

SUMMARY = "list, show and redrive dead letters"
RUNNING = "RUNNING"
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")
MAX_REASON = 300  # characters of a reason in a list


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    for name, action in ACTIONS.items():
        sub = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        sub.add_argument(
            "--queue",
            required=name != "list",
            help="an output of the stack (MessagesDeadLetterQueueUrl), a queue's name or its URL",
        )
        add_stage_argument(sub)
        if name == "list":
            continue
        selection = sub.add_mutually_exclusive_group(required=name == "redrive")
        selection.add_argument(
            "--message",
            action="append",
            metavar="ID",
            default=[],
            help="one dead letter, by its id or the beginning of it; may be repeated",
        )
        if name == "redrive":
            selection.add_argument(
                "--all", action="store_true", help="all dead letters of the queue"
            )
            sub.add_argument(
                "--wait",
                type=float,
                default=30,
                metavar="SECONDS",
                help="how long to wait for the end of started executions (default: 30)",
            )


def run(account: Account, options: argparse.Namespace, console: Console) -> bool:
    """Run the chosen action. False if any part of it failed."""
    return ACTIONS[options.action](account, options, console)


# -- Actions --------------------------------------------------------------------------------------


def list_letters(account: Account, options: argparse.Namespace, console: Console) -> bool:
    """list a queue's dead letters; without --queue, their number in each queue of the stack"""
    if options.queue is None:
        counts = Table("Queue", "Dead letters", box=None)
        for name, queue in sorted(queues_of(account).items()):
            counts.add_row(name, str(queue.count()))
        console.print(counts)
        return True
    letters = queue_of(account, options.queue).read()
    if letters:
        console.print(table_of(letters))
    elif not letters.held_elsewhere:
        console.print("There are no dead letters.")
    if letters.held_elsewhere:
        console.print(held_elsewhere(letters))
    return True


def table_of(letters: Letters) -> Table:
    table = Table("Id", "Since (UTC)", "Error", box=None)
    for letter in letters:
        error = Text(letter.error or "unknown", "bold")
        error.append(f" for {short(letter.origin) or 'an unknown target'}\n", "not bold")
        error.append(first_line(letter.reason), "not bold dim")
        table.add_row(letter.id[:8], f"{letter.sent_at:%Y-%m-%d %H:%M:%S}", error)
    return table


def show_letters(account: Account, options: argparse.Namespace, console: Console) -> bool:
    """show the details and the content of dead letters"""
    for letter in chosen(queue_of(account, options.queue).read(), options.message):
        console.rule(f"[bold]{letter.id}", align="left")
        facts = {
            "since": f"{letter.sent_at:%Y-%m-%d %H:%M:%S} UTC",
            "error": letter.error,
            "reason": letter.reason,
            "target": letter.origin,
            "execution": letter.attributes.get("EXECUTION_ARN", ""),
            "rule": letter.attributes.get("RULE_ARN", ""),
        }
        for name, fact in facts.items():
            if fact:
                console.print(Text(f"{name + ':':<11}{fact}"), soft_wrap=True)
        if isinstance(letter.content, str):
            console.print(Text(letter.content), soft_wrap=True)
        else:
            console.print_json(json.dumps(without_secrets(letter.content)))
    return True


def redrive_letters(account: Account, options: argparse.Namespace, console: Console) -> bool:
    """send dead letters to their targets again, and report the results"""
    queue = queue_of(account, options.queue)
    with queue.held(*options.message) as letters:
        chosen_letters = chosen(letters, options.message)
        results = list(queue.redrive(chosen_letters))
    if letters.held_elsewhere and options.all:
        console.print(held_elsewhere(letters))
    if not results:
        if not letters.held_elsewhere:
            console.print("There are no dead letters.")
        return not letters.held_elsewhere
    statuses = final_statuses(account.clients, results, options.wait)
    table = Table("Id", "Redriven", "Result", box=None)
    for result in results:
        status = statuses.get(result.execution or "", "")
        redriven = Text("yes", "green") if result.done else Text("no", "red")
        outcome = Text(": ".join(filter(None, (result.result, status))))
        table.add_row(result.letter.id[:8], redriven, outcome)
    console.print(table)
    redriven_count = sum(result.done for result in results)
    failed_again = sum(status.startswith(UNSUCCESSFUL) for status in statuses.values())
    console.print(
        f"{redriven_count} of {len(results)} redriven"
        + (f"; {failed_again} failed again and may be back in the queue." if failed_again else ".")
    )
    incomplete = options.all and letters.held_elsewhere
    return redriven_count == len(results) and not failed_again and not incomplete


ACTIONS: dict[str, Callable[[Account, argparse.Namespace, Console], bool]] = {
    "list": list_letters,
    "show": show_letters,
    "redrive": redrive_letters,
}


# -- The stack's queues ---------------------------------------------------------------------------


def queue_of(account: Account, name: str) -> DeadLetterQueue:
    """A queue by an output of the stack, its logical id, its own name or its URL."""
    if name.startswith(("http://", "https://")):
        return DeadLetterQueue(name, account.clients)
    stack_queues = queues_of(account)
    for known in (name, name.removesuffix("Url")):
        if known in stack_queues:
            return stack_queues[known]
    sqs = account.clients("sqs")
    try:
        return DeadLetterQueue(sqs.get_queue_url(QueueName=name)["QueueUrl"], account.clients)
    except sqs.exceptions.QueueDoesNotExist:
        raise OpsError(
            f"There is no queue {name}. The stack {account.stack} has: "
            f"{', '.join(sorted(stack_queues))}."
        ) from None


def queues_of(account: Account) -> dict[str, DeadLetterQueue]:
    """The stack's queues, by logical id."""
    pages = account.clients("cloudformation").get_paginator("list_stack_resources")
    return {
        resource["LogicalResourceId"]: DeadLetterQueue(
            resource["PhysicalResourceId"], account.clients
        )
        for page in pages.paginate(StackName=account.stack)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::SQS::Queue"
    }


# -- Dead letters and their executions ------------------------------------------------------------


def chosen(letters: Letters, prefixes: list[str]) -> list[DeadLetter]:
    """The dead letters whose ids begin with one of `prefixes`, or all if it is empty."""
    for prefix in prefixes:
        found = [letter.id for letter in letters if letter.id.startswith(prefix)]
        if len(found) > 1:
            raise OpsError(f"More than one dead letter has an id that begins with {prefix}.")
        if not found and letters.held_elsewhere:
            raise OpsError(
                f"No dead letter that can be read now has an id that begins with {prefix}. "
                f"{held_elsewhere(letters)}"
            )
        if not found:
            raise OpsError(f"No dead letter has an id that begins with {prefix}.")
    return [letter for letter in letters if not prefixes or letter.id.startswith(tuple(prefixes))]


def held_elsewhere(letters: Letters) -> str:
    n = letters.held_elsewhere
    return (
        f"About {n} {'dead letter is' if n == 1 else 'dead letters are'} hidden by another reader, "
        f"such as another dlq command. Try again when it has ended. If it was killed, wait until "
        f"{HELD_SECONDS // 60} minutes after it began."
    )


def first_line(text: str) -> str:
    """The first line of a text, shortened if it is long."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


def without_secrets(value: Any) -> Any:
    """A dead letter's content without secrets: task tokens and signatures of URLs."""
    if isinstance(value, dict):
        return {
            key: "…" if key.lower().endswith("tasktoken") else without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"(X-Amz-Signature|Signature)=[^&\s]+", r"\1=…", value)
    return value


def final_statuses(clients: Clients, results: Iterable[Redriven], seconds: float) -> dict[str, str]:
    """The status of each started execution, by ARN, when all have ended or after `seconds`."""
    states = clients("stepfunctions")
    statuses = {result.execution: RUNNING for result in results if result.execution}
    deadline = time.monotonic() + seconds
    while True:
        for execution, status in statuses.items():
            if status == RUNNING:
                statuses[execution] = status_of(states, execution)
        if RUNNING not in statuses.values() or time.monotonic() > deadline:
            return statuses
        time.sleep(0.5)


def status_of(states: Any, execution: str) -> str:
    """An execution's status and error, or why they are not known."""
    if execution.split(":")[5] == "express":
        # DescribeExecution supports Standard executions only:
        # https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
        return "Express execution, see its log"
    try:
        described = states.describe_execution(executionArn=execution)
    except (BotoCoreError, ClientError) as error:
        return f"status unknown ({error})"
    failed = described.get("error")
    return f"{described['status']} ({failed})" if failed else str(described["status"])


def short(arn: str) -> str:
    """The name at the end of an ARN."""
    return arn.removesuffix(":$LATEST").rpartition(":")[2]
