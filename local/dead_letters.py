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
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.errors import LocalError

BATCH = 10  # SQS: messages a request
MOST = 10_000  # looked at in one go; SQS lets 120,000 be held
HELD_SECONDS = 900  # nobody else sees them while they are looked at or sent again

Clients = Callable[[str], Any]  # a boto3 client by the service's name


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
        """Why, in words: of a function's error only what it says, not where it says it."""
        said = self.attributes.get("ERROR_MESSAGE", "")
        try:
            failure = _mapping(json.loads(said))
        except ValueError:
            return said or str(self._failure.get("errorMessage", ""))
        return str(failure.get("errorMessage", said))

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


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


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

    def look(self) -> list[DeadLetter]:
        """All that are there, the oldest first; they stay, and can be seen again at once."""
        with self.held() as letters:
            return letters

    @contextmanager
    def held(self) -> Iterator[list[DeadLetter]]:
        """All that are there, hidden from others meanwhile; what is not deleted stays."""
        letters = self._receive()
        try:
            yield letters
        finally:
            self._release(letters)

    def redrive(self, letters: list[DeadLetter]) -> Iterator[Redriven]:
        """Send held letters again to where they came from, and delete each that was taken.

        At least once: one that was sent and could not be deleted is there still.
        """
        for letter in letters:
            try:
                what, execution = self._send_again(letter)
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)
            except LocalError as error:
                yield Redriven(letter, False, str(error))
            except (BotoCoreError, ClientError) as error:
                yield Redriven(letter, False, f"AWS refused: {error}")
            else:
                yield Redriven(letter, True, what, execution)

    def _receive(self) -> list[DeadLetter]:
        letters: dict[str, DeadLetter] = {}
        while len(letters) < MOST:
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=HELD_SECONDS,
                WaitTimeSeconds=1,  # long polling asks every server: an empty answer is the end
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            found = answer.get("Messages", [])
            if not found:
                break
            letters |= {message["MessageId"]: DeadLetter.from_message(message) for message in found}
        return sorted(letters.values(), key=lambda letter: letter.sent_at)

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
        service = letter.origin.split(":")[2] if letter.origin else ""
        if service == "states":
            return self._start(letter)
        if service == "lambda":
            return self._invoke(letter)
        if service == "sqs":
            return self._send_to_queue(letter)
        if not service:
            raise LocalError("Nothing in it says where it came from.")
        raise LocalError(f"It was meant for {letter.origin}, which is none of the places known.")

    def _start(self, letter: DeadLetter) -> tuple[str, str | None]:
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
            raise LocalError(f"The rule {rule[2]} has no such target any more.")
        if any({"Input", "InputPath", "InputTransformer"} & set(target) for target in targets):
            raise LocalError(
                f"The rule {rule[2]} rewrites events for this target: put the event again, "
                "with `aws events put-events`."
            )
        return letter.body
