"""The promises of the messages workflow: docs/workflows/messages.md, "When it fails"."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from faults.address import Call, Fault
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts
from faults.world import World

BUS, TABLE, QUEUE = "MessagesBus", "MessagesTable", "MessagesDeadLetterQueue"
SOURCE = "com.devpost.commonevent"
MESSAGE = {"text": "hello"}
# By error name: what it claims about the record. None: nothing.
_CLAIMS = {
    "MalformedMessageError": False,
    "MessageNotRecordedError": False,
    "MessageNotCheckedError": None,
    "MessageNotConfirmedError": None,
    "MessageNotKeptError": None,
}


def _post(world: World) -> None:
    """A client posts a message. When all is over, it reads the record."""
    request = {
        "body": json.dumps({"message": MESSAGE}),
        "requestContext": {"requestId": "r"},
    }
    world.deliveries.deliver(
        "request:publishMessage",
        lambda: world.functions.invoke("publishMessage", request),
    )
    _read_at_the_end(world)


def _put(message: str) -> Callable[[World], None]:
    """A producer puts an event on the bus."""

    def begin(world: World) -> None:
        world.timeline.after(
            0, lambda: world.buses.publish(SOURCE, "message", {"message": message}, BUS)
        )
        _read_at_the_end(world)

    return begin


def _read_at_the_end(world: World) -> None:
    def read() -> None:
        for event in world.buses.of_source(SOURCE):
            request = {"pathParameters": {"messageId": event["id"]}, "requestContext": {}}
            world.functions.invoke("getMessage", request)

    world.timeline.after(3 * 86_400, read)


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    items = world.items(TABLE)
    records = {item["messageId"]["S"]: json.loads(item["event"]["S"]) for item in items}
    letters = world.queues.of(QUEUE)
    events = world.buses.of_source(SOURCE)
    executions = world.machines.executions("stepworks-local-messages")
    for event in events:
        recorded, kept = event["id"] in records, letters.count(event)
        yield from _broken_for(world, event, recorded, kept)
        if recorded and records[event["id"]] != json.loads(event["detail"]["message"]):
            yield f"the record is {records[event['id']]}"
    if stray := [letter for letter in letters if letter not in events]:
        yield f"the dead-letter queue has what was never an event: {stray}"
    for execution in executions:
        if execution.status == "SUCCEEDED" and execution.input_data["id"] not in records:
            yield "an execution succeeded without a record"
        claim = _CLAIMS.get(execution.error)
        if claim is not None and claim != (execution.input_data["id"] in records):
            yield f"{execution.error}, and the message is recorded"
        if execution.status == "FAILED" and execution.error not in _CLAIMS:
            yield f"an execution ended with {execution.error}, which is not documented"
    yield from _broken_by_responses(world, {event["id"] for event in events}, records)


def _broken_for(world: World, event: Any, recorded: bool, kept: int) -> Iterator[str]:
    only_in_execution = any(
        execution.error == "MessageNotKeptError" and execution.input_data == event
        for execution in world.machines.executions("stepworks-local-messages")
    )
    if not recorded and not kept and not (only_in_execution and lasts(world)):
        yield "the message is neither recorded nor in the dead-letter queue"
    if recorded and kept:
        yield "the message is recorded and in the dead-letter queue"
    if kept > 1 and len(world.machines.all_executions()) == 1:
        yield f"the event is in the dead-letter queue {kept} times"
    if not lasts(world) and recorded != (world.case.scenario in ("posted", "recorded later")):
        yield f"{'recorded' if recorded else 'not recorded'}, although a retry helps"


def _broken_by_responses(world: World, events: set[str], records: dict[str, Any]) -> Iterator[str]:
    accepted = set()
    for function, request, result in world.functions.results:
        if result.error or function not in ("publishMessage", "getMessage"):
            continue
        status, body = result.payload["statusCode"], json.loads(result.payload["body"])
        if function == "publishMessage":
            if status == 202:
                accepted.add(body["messageId"])
            elif status != 503:
                yield f"the response to a message was {status}: {body}"
        else:
            message_id = request["pathParameters"]["messageId"]
            if status not in (200, 404, 503):
                yield f"the response to a question for a record was {status}: {body}"
            elif status != 503 and (status == 200) != (message_id in records):
                yield f"the response about a record was {status}"
    if not accepted <= events:
        yield "a response was 202, and there is no such event"
    is_lost = world.case.scenario == "posted" and not events
    if is_lost and not lasts(world) and not _sender_knows(world):
        yield "the message is lost, and its sender was not told"


def _sender_knows(world: World) -> bool:
    """Whether the last response that the sender got was an error, or it got none."""
    results = [r for key, _, r in world.functions.results if key == "publishMessage"]
    return not results or bool(results[-1].error) or results[-1].payload["statusCode"] == 503


def _denied(caller: str, operation: str) -> tuple[Fault, ...]:
    return (Fault(Call(caller, 1, operation), Kind.DENIED, Times.EVER),)


WORKFLOW = Workflow(
    "messages",
    (
        Scenario("posted", _post),
        Scenario("malformed", _put("{not JSON")),
        Scenario(
            "recorded later",
            _put(json.dumps(MESSAGE)),
            given=(
                Fault(Call("recordMessage", 1, "dynamodb:PutItem"), Kind.THROTTLED, Times.CALL),
            ),
            only=("recordMessage",),
        ),
        Scenario(
            "not recorded",
            _put(json.dumps(MESSAGE)),
            given=_denied("recordMessage", "dynamodb:PutItem"),
        ),
        Scenario(
            "not checked",
            _put(json.dumps(MESSAGE)),
            given=_denied("messages/Check Message", "lambda:Invoke"),
        ),
    ),
    broken,
)
