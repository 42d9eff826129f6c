"""Dead letters: what is in a dead-letter queue, where it came from, and sending it there again.

Knows the four forms in which dead letters come:
- from EventBridge, which leaves the event and says in attributes which rule's target did not take
  it (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html);
- from a state machine of this service, which leaves its input in the same form;
- from Lambda's failure destination, a record with the function and its event in it
  (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html);
- from another queue, whose consumer failed too often.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.account import Clients
from ops.errors import OpsError

BATCH = 10  # SQS: messages a request
MOST = 10_000  # looked at in one go; SQS lets 120,000 be held
HELD_SECONDS = 900  # hidden from other readers while they are read or sent again
LONG_POLL_SECONDS = 1  # asks every server of SQS, so that an empty response is the end
WAIT_SECONDS = 5  # for messages that another reader holds at the moment


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    id: str
    body: str
    attributes: dict[str, str]  # given by who sent it
    system: dict[str, str]  # given by SQS
    receipt: str = field(repr=False)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "DeadLetter":
        return cls(
            message["MessageId"],
            message["Body"],
            {
                name: value.get("StringValue", "")
                for name, value in message.get("MessageAttributes", {}).items()
            },
            message.get("Attributes", {}),
            message["ReceiptHandle"],
        )

    @property
    def sent_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.system["SentTimestamp"]) / 1000, UTC)

    @cached_property
    def content(self) -> Any:
        """The body as JSON, or as it is."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body

    @property
    def error(self) -> str:
        return self.attributes.get("ERROR_CODE") or str(self._failure.get("errorType", ""))

    @property
    def reason(self) -> str:
        """Why, in words: the message of the innermost error, without stack traces."""
        return _message_of(self.attributes.get("ERROR_MESSAGE") or self._failure)

    @property
    def _failure(self) -> dict[str, Any]:
        """What the function answered, in a record of Lambda's."""
        return _mapping(_mapping(self.content).get("responsePayload"))

    @property
    def origin(self) -> str:
        """The ARN of what it was meant for; empty if that cannot be told."""
        if "DeadLetterQueueSourceArn" in self.system:
            return self.system["DeadLetterQueueSourceArn"]
        if "TARGET_ARN" in self.attributes:
            return self.attributes["TARGET_ARN"]
        record = _mapping(self.content)
        context = _mapping(record.get("requestContext"))
        return str(context.get("functionArn", "")) if "requestPayload" in record else ""


class Letters(list[DeadLetter]):
    """Dead letters, the oldest first, and about how many more another reader holds."""

    def __init__(self, letters: Iterable[DeadLetter], held_elsewhere: int) -> None:
        super().__init__(letters)
        self.held_elsewhere = held_elsewhere


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _message_of(error: Any) -> str:
    """What an error says in words, however deep it is wrapped in JSON.

    Lambda wraps an exception as {"errorMessage", "errorType", "stackTrace"}; a state machine wraps
    that, as a string, in {"Error", "Cause"}. What has neither form is returned as it is.
    """
    if isinstance(error, str):
        try:
            unwrapped = json.loads(error)
        except (ValueError, RecursionError):
            return error
        return _message_of(unwrapped) if isinstance(unwrapped, dict) else error
    for name in ("errorMessage", "Cause"):
        if isinstance(error.get(name), str):
            return _message_of(error[name])
    known = {name: value for name, value in error.items() if name not in ("stackTrace", "trace")}
    return json.dumps(known) if known else ""


def _service(arn: str) -> str:
    """The service in an ARN, such as "states"; empty for what is no ARN."""
    match = re.fullmatch(r"arn:[^:]+:([^:]+):[^:]*:[^:]*:.+", arn)
    return match[1] if match else ""


@dataclass(frozen=True)
class Redriven:
    """What became of sending a dead letter again; `execution` if that started one."""

    letter: DeadLetter
    done: bool
    what: str
    execution: str | None = None


class DeadLetterQueue:
    """A dead-letter queue, wherever it is."""

    def __init__(self, url: str, clients: Clients) -> None:
        self.url = url
        self._clients = clients
        self._sqs = clients("sqs")

    def count(self) -> int:
        """About how many there are."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def look(self) -> Letters:
        """All that are there; they stay, and others can read them again at once."""
        return self._find(self._release, lambda _: False)

    @contextmanager
    def held(self, *ids: str) -> Iterator[Letters]:
        """Letters, hidden from other readers meanwhile; those that are not deleted stay.

        All that are there or, if `ids` are given, those whose ids begin with one of them.
        """
        mine: dict[str, DeadLetter] = {}

        def sort_out(batch: list[DeadLetter]) -> None:
            wanted = {one.id: one for one in batch if not ids or one.id.startswith(ids)}
            mine.update(wanted)
            self._release([one for one in batch if one.id not in wanted])

        def has_all(seen: list[DeadLetter]) -> bool:
            return bool(ids) and all(any(one.id.startswith(begin) for one in seen) for begin in ids)

        try:
            found = self._find(sort_out, has_all)
            yield Letters([one for one in found if one.id in mine], found.held_elsewhere)
        finally:
            self._release(list(mine.values()))

    def redrive(self, letters: list[DeadLetter]) -> Iterator[Redriven]:
        """Send held letters again to where they came from, and delete each that was taken.

        At least once: one that was sent and could not be deleted is there still.
        """
        for letter in letters:
            try:
                what, execution = self._send_again(letter)
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)
            except OpsError as error:
                yield Redriven(letter, False, str(error))
            except (BotoCoreError, ClientError) as error:
                yield Redriven(letter, False, f"AWS refused: {error}")
            else:
                yield Redriven(letter, True, what, execution)

    def _find(
        self,
        take: Callable[[list[DeadLetter]], None],
        enough: Callable[[list[DeadLetter]], bool],
    ) -> Letters:
        """Every letter that can be read within WAIT_SECONDS; each batch is given to `take`.

        Another reader may hold some of them. They are waited for, unless `enough` have been read.
        """
        seen: dict[str, DeadLetter] = {}
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            batch = self._receive()
            take(batch)
            seen |= {letter.id: letter for letter in batch}
            letters = sorted(seen.values(), key=lambda letter: letter.sent_at)
            elsewhere = 0 if len(letters) >= MOST else max(0, self.count() - len(letters))
            if not elsewhere or enough(letters) or time.monotonic() > deadline:
                return Letters(letters, elsewhere)
            time.sleep(random.uniform(0.1, 0.5))  # two readers must not stay in step

    def _receive(self) -> list[DeadLetter]:
        letters: dict[str, DeadLetter] = {}
        while len(letters) < MOST:
            response = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HELD_SECONDS,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            found = response.get("Messages", [])
            if not found:
                break
            letters |= {message["MessageId"]: DeadLetter.from_message(message) for message in found}
        return list(letters.values())

    def _release(self, letters: list[DeadLetter]) -> None:
        for start in range(0, len(letters), BATCH):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    # A letter that is gone meanwhile is answered as failed, which it may.
                    {"Id": str(n), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for n, letter in enumerate(letters[start : start + BATCH])
                ],
            )

    # -- Where it came from ------------------------------------------------------------------

    def _send_again(self, letter: DeadLetter) -> tuple[str, str | None]:
        """Returns what was done, and the ARN of the execution that it started."""
        service = _service(letter.origin)
        if service == "states":
            return self._start(letter)
        if service == "lambda":
            return self._invoke(letter)
        if service == "sqs":
            return self._send_to_queue(letter)
        if not letter.origin:
            raise OpsError("Nothing in it says where it came from.")
        raise OpsError(
            f"It was meant for {letter.origin!r}; only machines, functions and queues can be "
            "redriven to."
        )

    def _start(self, letter: DeadLetter) -> tuple[str, str | None]:
        """Start the machine again.

        The execution's name keeps a Standard machine from being started twice for one letter.
        Express machines ignore it: StartExecution is not idempotent for them
        (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
        """
        states = self._clients("stepfunctions")
        name = f"redrive-{letter.id}"
        try:
            started = states.start_execution(
                stateMachineArn=letter.origin, name=name, input=self._input_of_target(letter)
            )
        except states.exceptions.ExecutionAlreadyExists:
            execution = letter.origin.replace(":stateMachine:", ":execution:") + f":{name}"
            return "had been started before", execution
        return "started an execution", str(started["executionArn"])

    def _invoke(self, letter: DeadLetter) -> tuple[str, None]:
        is_record = "TARGET_ARN" not in letter.attributes
        payload = (
            json.dumps(letter.content["requestPayload"])
            if is_record
            else self._input_of_target(letter)
        )
        self._clients("lambda").invoke(
            FunctionName=letter.origin, InvocationType="Event", Payload=payload.encode()
        )
        return f"called {letter.origin.partition(':function:')[2]}", None

    def _send_to_queue(self, letter: DeadLetter) -> tuple[str, None]:
        name = letter.origin.rpartition(":")[2]
        self._sqs.send_message(
            QueueUrl=self._sqs.get_queue_url(QueueName=name)["QueueUrl"],
            MessageBody=letter.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in letter.attributes.items()
            },
        )
        return f"sent to {name}", None

    def _input_of_target(self, letter: DeadLetter) -> str:
        """What the target of an EventBridge rule, or a machine, got: the whole event."""
        rule = re.search(r":rule/(?:(.+)/)?([^/]+)$", letter.attributes.get("RULE_ARN", ""))
        if rule is None:
            return letter.body
        answer = self._clients("events").list_targets_by_rule(
            Rule=rule[2], EventBusName=rule[1] or "default"
        )
        targets = [target for target in answer["Targets"] if target["Arn"] == letter.origin]
        if not targets:
            raise OpsError(f"The rule {rule[2]} has no such target any more.")
        if any({"Input", "InputPath", "InputTransformer"} & set(target) for target in targets):
            raise OpsError(
                f"The rule {rule[2]} rewrites events for this target: put the event again, "
                "with `aws events put-events`."
            )
        return letter.body
