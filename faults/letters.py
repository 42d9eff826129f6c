"""The dead-letter queues that a person reads: SQS's API, with messages that hide for a while."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from faults.virtual_time import Timeline

_numbers = itertools.count(1)


@dataclass
class Letter:
    """A message of a queue."""

    queue: str
    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"letter-{next(_numbers):08}")
    visible_at: float = 0.0
    is_deleted: bool = False


class Letters:
    """What was put into queues for somebody to read."""

    def __init__(self, timeline: Timeline) -> None:
        self.all: list[Letter] = []
        self._timeline = timeline

    def put(self, queue: str, body: str, system: dict[str, str], **attributes: str) -> Letter:
        sent = {"SentTimestamp": str(round(self._timeline.now * 1000))}
        letter = Letter(queue, body, attributes, sent | system)
        self.all.append(letter)
        return letter

    def of(self, queue: str) -> list[Letter]:
        return [one for one in self.all if one.queue == queue and not one.is_deleted]

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        now = self._timeline.now
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"https://sqs/000000000000/{given['QueueName']}"}
        found = self.of(given["QueueUrl"].rpartition("/")[2])
        match operation:
            case "GetQueueAttributes":
                hidden = sum(letter.visible_at > now for letter in found)
                return {
                    "Attributes": {
                        "ApproximateNumberOfMessages": str(len(found) - hidden),
                        "ApproximateNumberOfMessagesNotVisible": str(hidden),
                    }
                }
            case "ReceiveMessage":
                visible = [letter for letter in found if letter.visible_at <= now]
                batch = visible[: given["MaxNumberOfMessages"]]
                for letter in batch:
                    letter.visible_at = now + given["VisibilityTimeout"]
                return {"Messages": [_as_message(letter) for letter in batch]} if batch else {}
            case "ChangeMessageVisibilityBatch":
                for entry in given["Entries"]:
                    for letter in found:
                        if letter.id == entry["ReceiptHandle"]:
                            letter.visible_at = now + entry["VisibilityTimeout"]
                return {"Successful": [], "Failed": []}
            case "DeleteMessage":
                for letter in found:
                    letter.is_deleted = letter.is_deleted or letter.id == given["ReceiptHandle"]
                return {}
        raise AssertionError(f"SQS has no {operation} here")


def _as_message(letter: Letter) -> dict[str, Any]:
    return {
        "MessageId": letter.id,
        "ReceiptHandle": letter.id,
        "Body": letter.body,
        "Attributes": letter.system,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in letter.attributes.items()
        },
    }
