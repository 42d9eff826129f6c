"""The messages scene: messages are posted and put; each is recorded or kept as a dead letter."""

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local import api
from local.aws import Aws, until
from local.demo import progress
from local.demo.progress import has_ended
from local.demo.summary import Summary
from local.errors import LocalError

TITLE = "messages: put on an event bus, then recorded or kept as a dead letter"
SCENE_SECONDS = 120
MANY_MESSAGES = 40
MAX_EXECUTIONS = 20  # the newest; a stack may have many
STATES = ["Check Message", "Record Message", "Check Status?", "Keep Message"]
GREETING = {"text": 'Grüße, "日本" 🙂', "numbers": [1, 2.5], "nothing": None}
NOT_JSON = "{this is not JSON"


@dataclass
class Message:
    """A message and its state so far."""

    name: str
    id: str
    content: Any  # expected content of the record; None for a malformed message
    malformed: bool = False
    execution: dict[str, Any] = field(default_factory=dict)
    visited: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return has_ended(self.execution)


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    messages = [
        Message("posted", post(aws, GREETING), GREETING),
        Message("put by another producer", put(aws, json.dumps([GREETING])), [GREETING]),
        Message("malformed", put(aws, NOT_JSON), None, malformed=True),
    ]
    watch(aws, console, messages)
    for message in messages:
        check_end(message)
        if not message.malformed:
            show_record(aws, console, message)
    show_dead_letter(aws, console, messages[-1])
    recorded = 2
    if not quick:
        post_many(aws, console)
        recorded += MANY_MESSAGES
    return Summary(
        f"{recorded} messages recorded, each once; a malformed one kept as a dead letter",
        "MessagesTable, MessagesDeadLetterQueueUrl",
    )


def post(aws: Aws, content: Any) -> str:
    """Post a message, signed; returns its id."""
    response = api.call(aws, "POST", "/messages", {"message": content})
    expect(response.status == 202, f"POST /messages returned {response.status}: {response.text}")
    return str(response.json["messageId"])


def put(aws: Aws, message: str) -> str:
    """Put a message on the bus, as any producer may; returns the event's id."""
    response = aws.client("events").put_events(
        Entries=[
            {
                "EventBusName": aws.outputs["MessagesBusName"],
                "Source": "com.devpost.commonevent",
                "DetailType": "message",
                "Detail": json.dumps({"message": message}),
            }
        ]
    )
    return str(response["Entries"][0]["EventId"])


# -- Progress -------------------------------------------------------------------------------------


def watch(aws: Aws, console: Console, messages: list[Message]) -> None:
    """Show each execution's states as it enters them, until all have ended."""

    def look(unfinished: Sequence[Message]) -> None:
        look_at(aws, unfinished)

    progress.watch(console, messages, look, states_of, seconds=SCENE_SECONDS)


def look_at(aws: Aws, messages: Sequence[Message]) -> None:
    for execution in aws.executions(aws.outputs["MessagesStateMachineArn"])[:MAX_EXECUTIONS]:
        described = aws.describe(execution["executionArn"])
        started_with = json.loads(described["input"])["id"]
        for message in messages:
            if message.id == started_with and not message.ended:
                message.execution = described
                message.visited = aws.visited(execution["executionArn"])


def states_of(messages: Iterable[Message]) -> Table:
    table = Table("message", *STATES, "ended", box=box.SIMPLE)
    for message in messages:
        ended = message.execution["status"] if message.ended else ""
        table.add_row(message.name, *(mark(message, state) for state in STATES), ended)
    return table


def mark(message: Message, state: str) -> str:
    if state not in message.visited:
        return ""
    if state == message.visited[-1] and not message.ended:
        return "[yellow]…"
    refused = message.malformed and state == "Check Message"
    return "[red]✗" if refused else "[green]✓"


# -- Results --------------------------------------------------------------------------------------


def check_end(message: Message) -> None:
    status, error = message.execution["status"], message.execution.get("error", "")
    expected = ("FAILED", "MalformedMessageError") if message.malformed else ("SUCCEEDED", "")
    expect((status, error) == expected, f"the message {message.name} ended {status} {error}")


def show_record(aws: Aws, console: Console, message: Message) -> None:
    response = api.call(aws, "GET", f"/messages/{message.id}")
    expect(response.status == 200, f"GET /messages/{message.id} returned {response.status}")
    expect(
        response.json["event"] == message.content, f"{message.id} was recorded as {response.text}"
    )
    console.print(Text(f"GET /messages/{message.id} ({message.name})", "bold"))
    console.print_json(response.text)


def show_dead_letter(aws: Aws, console: Console, message: Message) -> None:
    response = api.call(aws, "GET", f"/messages/{message.id}")
    expect(response.status == 404, f"the malformed message {message.id} was recorded")
    letter = until(f"the dead letter of {message.id}", lambda: letter_of(aws, message))
    expect(
        json.loads(letter["Body"]) == json.loads(message.execution["input"]),
        "the dead letter does not have the whole event",
    )
    console.print(Text("In the dead-letter queue", "bold"))
    table = Table(box=box.SIMPLE, show_header=False)
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    fields = {
        "error": attributes["ERROR_CODE"],
        "cause": json.loads(attributes["ERROR_MESSAGE"])["errorMessage"],
        "event": letter["Body"],
    }
    for name, value in fields.items():
        table.add_row(name, Text(value, overflow="fold"))
    console.print(table)
    console.print(
        "To look at it, or to send it again: .venv/bin/python -m ops dlq show|redrive "
        f"--queue MessagesDeadLetterQueueUrl --message {letter['MessageId'][:8]}",
        soft_wrap=True,
    )


def letter_of(aws: Aws, message: Message) -> dict[str, Any] | None:
    """The dead letter of a message. It stays in the queue, hidden from others for a second."""
    sqs, queue = aws.client("sqs"), aws.outputs["MessagesDeadLetterQueueUrl"]
    while letters := sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        VisibilityTimeout=1,
        MessageAttributeNames=["All"],
    ).get("Messages"):
        for letter in letters:
            if message.id in letter["Body"]:
                return dict(letter)
    return None


def post_many(aws: Aws, console: Console) -> None:
    """Post many messages at once; each must be recorded once."""
    marker = f"demo-{time.time():.0f}"
    started = time.monotonic()
    with ThreadPoolExecutor(MANY_MESSAGES) as pool:
        ids = list(pool.map(lambda n: post(aws, {marker: n}), range(MANY_MESSAGES)))
    recorded = until(f"{MANY_MESSAGES} records", lambda: records(aws, marker), SCENE_SECONDS)
    expect(
        recorded == sorted(zip(ids, range(MANY_MESSAGES), strict=True)),
        "some records are missing or duplicated",
    )
    took = time.monotonic() - started
    console.print(
        f"{MANY_MESSAGES} messages posted at once: each recorded once, after {took:.1f} s."
    )


def records(aws: Aws, marker: str) -> list[tuple[str, int]] | None:
    """Ids and numbers of the records with this marker, once there are enough."""
    scan = aws.client("dynamodb").get_paginator("scan")
    items = [
        item
        for page in scan.paginate(TableName=aws.outputs["MessagesTable"])
        for item in page["Items"]
    ]
    found = sorted(
        (item["messageId"]["S"], json.loads(item["event"]["S"])[marker])
        for item in items
        if marker in item["event"]["S"]
    )
    return found if len(found) >= MANY_MESSAGES else None


def expect(condition: bool, problem: str) -> None:
    if not condition:
        raise LocalError(f"The messages workflow did not do what it should: {problem}.")
