"""Dead letters: read a dead-letter queue, find where its messages came from, and redrive them.

Dead letters have four forms:
- from EventBridge: the event is the body; attributes have the reason, the rule and the target
  (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html);
- from a state machine of this service: its input, in the same form;
- from Lambda's failure destination: a record with the function and its event
  (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html);
- from another queue, whose consumer failed too often.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.clients import Clients
from ops.errors import OpsError

BATCH = 10  # SQS: messages per request
MAX_LETTERS = 10_000  # read at once; SQS allows 120,000 messages in flight
# Letters are hidden from other readers while they are read, and while they are held to be redriven.
# If this process is killed meanwhile, they stay hidden for so long. MAX_LETTERS can take 1,000
# requests of a tenth of a second.
READ_SECONDS = 120
HELD_SECONDS = 900
LONG_POLL_SECONDS = 1  # asks every SQS server, so an empty response means an empty queue
WAIT_SECONDS = 5  # for messages that another reader holds
PAUSE_SECONDS = (0.1, 0.5)  # between reads; random, so that two readers do not stay in step


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    id: str
    body: str
    attributes: dict[str, str]  # set by the sender
    system: dict[str, str]  # set by SQS
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
        """The body, parsed if it is JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body

    @property
    def error(self) -> str:
        return self.attributes.get("ERROR_CODE") or str(self._failure.get("errorType", ""))

    @property
    def reason(self) -> str:
        """The message of the innermost error, without stack traces."""
        return _message_of(self.attributes.get("ERROR_MESSAGE") or self._failure)

    @property
    def _failure(self) -> dict[str, Any]:
        """The function's error in a record of Lambda's failure destination."""
        return _mapping(_mapping(self.content).get("responsePayload"))

    @property
    def origin(self) -> str:
        """The ARN of the original target; empty if it is not known."""
        if "DeadLetterQueueSourceArn" in self.system:
            return self.system["DeadLetterQueueSourceArn"]
        if "TARGET_ARN" in self.attributes:
            return self.attributes["TARGET_ARN"]
        record = _mapping(self.content)
        context = _mapping(record.get("requestContext"))
        return str(context.get("functionArn", "")) if "requestPayload" in record else ""


class Letters(list[DeadLetter]):
    """Dead letters, oldest first, and about how many more another reader holds."""

    def __init__(self, letters: Iterable[DeadLetter], held_elsewhere: int) -> None:
        super().__init__(letters)
        self.held_elsewhere = held_elsewhere


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _message_of(error: Any) -> str:
    """The text of an error, however deeply it is wrapped in JSON.

    Lambda wraps an exception as {"errorMessage", "errorType", "stackTrace"}. A state machine wraps
    that, as a string, in {"Error", "Cause"}. Other forms are returned unchanged.
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
    """The service in an ARN, such as "states"; empty if it is not an ARN."""
    match = re.fullmatch(r"arn:[^:]+:([^:]+):[^:]*:[^:]*:.+", arn)
    return match[1] if match else ""


@dataclass(frozen=True)
class Redriven:
    """The result of redriving a dead letter; `execution` if that started one."""

    letter: DeadLetter
    done: bool
    result: str
    execution: str | None = None


class DeadLetterQueue:
    """A dead-letter queue, on the local AWS or in an account."""

    def __init__(self, url: str, clients: Clients) -> None:
        self.url = url
        self._clients = clients
        self._sqs = clients("sqs")

    def count(self) -> int:
        """The approximate number of dead letters."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def read(self) -> Letters:
        """All dead letters. They stay in the queue, visible to other readers at once."""
        return self._find(READ_SECONDS, self._release, lambda _: False)

    @contextmanager
    def held(self, *ids: str) -> Iterator[Letters]:
        """Dead letters, hidden from other readers while in `with`. Those not deleted stay.

        All dead letters or, if `ids` are given, those whose ids begin with one of them.
        """
        kept: dict[str, DeadLetter] = {}

        def keep_chosen(batch: list[DeadLetter]) -> None:
            chosen = {letter.id: letter for letter in batch if not ids or letter.id.startswith(ids)}
            kept.update(chosen)
            self._release([letter for letter in batch if letter.id not in chosen])

        def has_every_id(seen: list[DeadLetter]) -> bool:
            return bool(ids) and all(
                any(letter.id.startswith(prefix) for letter in seen) for prefix in ids
            )

        try:
            found = self._find(HELD_SECONDS, keep_chosen, has_every_id)
            yield Letters([letter for letter in found if letter.id in kept], found.held_elsewhere)
        finally:
            # What was done with the letters matters more. They become visible by themselves, too.
            with suppress(BotoCoreError, ClientError):
                self._release(list(kept.values()))

    def redrive(self, letters: list[DeadLetter]) -> Iterator[Redriven]:
        """Send held dead letters to their targets again, and delete each that was accepted.

        At least once: if a letter was sent but could not be deleted, it stays in the queue.
        """
        for letter in letters:
            try:
                result, execution = self._send_to_target(letter)
            except OpsError as error:
                yield Redriven(letter, False, str(error))
                continue
            except (BotoCoreError, ClientError) as error:
                yield Redriven(
                    letter,
                    False,
                    "The letter stays in the queue. It may have been sent although the request to "
                    f"AWS failed: {error}",
                )
                continue
            try:
                self.delete(letter)
            except (BotoCoreError, ClientError) as error:
                yield Redriven(
                    letter, False, f"{result}, but the letter may still be in the queue: {error}",
                    execution,
                )  # fmt: skip
            else:
                yield Redriven(letter, True, result, execution)

    def delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)

    def _find(
        self,
        hidden_seconds: int,
        on_batch: Callable[[list[DeadLetter]], None],
        is_enough: Callable[[list[DeadLetter]], bool],
    ) -> Letters:
        """Every letter that can be read within WAIT_SECONDS. `on_batch` gets each batch.

        If another reader holds some letters, wait for them, unless `is_enough` says otherwise.
        """
        seen: dict[str, DeadLetter] = {}
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            batch = self._receive(hidden_seconds)
            on_batch(batch)
            seen |= {letter.id: letter for letter in batch}
            letters = sorted(seen.values(), key=lambda letter: letter.sent_at)
            elsewhere = 0 if len(letters) >= MAX_LETTERS else max(0, self.count() - len(letters))
            if not elsewhere or is_enough(letters) or time.monotonic() > deadline:
                return Letters(letters, elsewhere)
            time.sleep(random.uniform(*PAUSE_SECONDS))

    def _receive(self, hidden_seconds: int) -> list[DeadLetter]:
        """The letters that nobody holds, until they come again: reading may take longer."""
        letters: dict[str, DeadLetter] = {}
        while len(letters) < MAX_LETTERS:
            response = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            found = {
                message["MessageId"]: DeadLetter.from_message(message)
                for message in response.get("Messages", [])
            }
            is_new = not found.keys() <= letters.keys()
            letters |= found
            if not is_new:
                break
        return list(letters.values())

    def _release(self, letters: list[DeadLetter]) -> None:
        for start in range(0, len(letters), BATCH):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    # If a letter was deleted meanwhile, its entry fails. That is harmless.
                    {"Id": str(n), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for n, letter in enumerate(letters[start : start + BATCH])
                ],
            )

    # -- Redriving to the target -----------------------------------------------------------------

    def _send_to_target(self, letter: DeadLetter) -> tuple[str, str | None]:
        """Returns what was done, and the ARN of the execution if one was started."""
        service = _service(letter.origin)
        if service == "states":
            return self._start(letter)
        if service == "lambda":
            return self._invoke(letter)
        if service == "sqs":
            return self._send_to_queue(letter)
        if not letter.origin:
            raise OpsError("The letter does not name its original target.")
        raise OpsError(
            f"Its target is {letter.origin!r}: only letters for machines, functions and queues can "
            "be redriven."
        )

    def _start(self, letter: DeadLetter) -> tuple[str, str | None]:
        """Start the machine again.

        Because of the execution's name, a Standard machine starts only once for one letter. Express
        machines ignore the name: StartExecution is not idempotent for them
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
            return "the execution was started before", execution
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
        """The input of an EventBridge rule's target, or of a machine: the whole event."""
        rule = re.search(r":rule/(?:(.+)/)?([^/]+)\Z", letter.attributes.get("RULE_ARN", ""))
        if rule is None:
            return letter.body
        response = self._clients("events").list_targets_by_rule(
            Rule=rule[2], EventBusName=rule[1] or "default"
        )
        targets = [target for target in response["Targets"] if target["Arn"] == letter.origin]
        if not targets:
            raise OpsError(f"The rule {rule[2]} no longer has the target {letter.origin}.")
        if any({"Input", "InputPath", "InputTransformer"} & set(target) for target in targets):
            raise OpsError(
                f"The rule {rule[2]} rewrites events for this target: put the event again, "
                "with `aws events put-events`."
            )
        return letter.body
