"""What the soak's traffic shares: the local AWS, and what is seen of it, read again and again.

One thread lists executions and mails every second or two, so that hundreds of items in flight cost
the local AWS no more than a few.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from local.aws import Aws, until
from local.errors import LocalError
from local.signing import Signing
from ops.dead_letters import DeadLetterQueue
from tests.support.asl import ROOT
from tests.support.error_names import our_classes, transient
from tests.support.web import Web

INTERVAL_SECONDS = 1.5
END_SECONDS = 400  # for an execution, with all retries, on a busy machine
MACHINES = ("Sensor", "Signature", "Cookies", "Messages", "Images")
# What an execution is found by, in its input.
KEYS = {"Sensor": "objectKey", "Messages": "id"}


def known_errors() -> set[str]:
    """The error names that executions of this service may fail with.

    They are ours, or Lambda's if the last attempt was killed: it can happen to each of them.
    """
    texts = [path.read_text() for path in (ROOT / "statemachines").glob("*.asl.yml")]
    named = {name for text in texts for name in re.findall(r"Error: (\w+)", text)}
    return named.union(*our_classes().values()) | transient("lambda:invoke")


class World:
    """The deployed service while there are faults."""

    def __init__(self, aws: Aws, web: Web, failures_queue: str) -> None:
        self.aws = aws
        self.web = web
        self.signing = Signing(aws)
        self.errors = known_errors()
        self._failures_queue = failures_queue
        self._executions: dict[str, dict[str, Any]] = {}  # by ARN
        self._by_key: dict[tuple[str, str], list[str]] = {}
        self._mails: list[dict[str, Any]] = []
        self._announced: list[str] = []
        self._letters: dict[str, str] = {}
        self._letters_lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "World":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    # -- What is seen ----------------------------------------------------------------------------

    def executions(self, machine: str, key: str) -> list[dict[str, Any]]:
        """The executions with this key: a part of their input, or their name."""
        return [self._executions[arn] for arn in self._by_key.get((machine, key), [])]

    def ended(self, machine: str, key: str) -> dict[str, Any]:
        """The description of the only execution with this key, once it has ended."""

        def look() -> str | None:
            time.sleep(0.5)
            found = self.executions(machine, key)
            assert len(found) <= 1, f"{len(found)} executions of {machine} for {key}"
            return found[0]["executionArn"] if found and found[0]["status"] != "RUNNING" else None

        try:
            arn = until(f"the end of {machine} {key}", look, END_SECONDS)
        except LocalError as error:
            raise LocalError(f"{error} {self._so_far(machine, key)}") from None
        execution = self.aws.describe(arn)
        error = execution.get("error")
        assert execution["status"] == "SUCCEEDED" or error in self.errors, (
            f"{arn} ended {execution['status']} {error}: {execution.get('cause')}"
        )
        return execution

    def _so_far(self, machine: str, key: str) -> str:
        """What became of an execution that should have ended."""
        found = self.executions(machine, key)
        if not found:
            return "There is no execution."
        events = [
            f"{event['timestamp']:%H:%M:%S} {event['type']}"
            for event in self.aws.history(found[0]["executionArn"])
        ]
        return f"{found[0]['executionArn']} is {found[0]['status']}: … {', '.join(events[-5:])}"

    def mails(self, about: str) -> list[dict[str, Any]]:
        return [mail for mail in self._mails if about in mail["Subject"] + mail["BodyText"]]

    def announced(self, text: str) -> bool:
        """Whether the topic of failed downloads has published this."""
        return any(text in message for message in self._announced)

    def letter(self, text: str) -> bool:
        """Whether a dead letter of the messages workflow has this text."""
        with self._letters_lock:
            queue = self.aws.outputs["MessagesDeadLetterQueueUrl"]
            for letter in DeadLetterQueue(queue, self.aws.client).read():
                self._letters[letter.id] = letter.body
        return any(text in body for body in self._letters.values())

    def objects(self, bucket: str, prefix: str) -> dict[str, bytes]:
        """The objects with a prefix, with their content."""
        s3, name = self.aws.client("s3"), self.aws.outputs[bucket]
        listed = s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
        return {
            found["Key"]: s3.get_object(Bucket=name, Key=found["Key"])["Body"].read()
            for found in listed
        }

    def running(self) -> list[str]:
        """The ARNs of all executions that have not ended."""
        states = self.aws.client("stepfunctions")
        return [
            execution["executionArn"]
            for machine in MACHINES
            for execution in states.list_executions(
                stateMachineArn=self.aws.outputs[f"{machine}StateMachineArn"],
                statusFilter="RUNNING",
            )["executions"]
        ]

    # -- Watching --------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            self._try(self._list_executions)
            self._try(self._read_mails)
            self._try(self._read_announcements)

    def _try(self, look: Callable[[], None]) -> None:
        try:
            look()
        except (ClientError, BotoCoreError, OSError, requests.RequestException) as error:
            print(f"could not look: {error}")  # a busy server; the next look will do

    def _list_executions(self) -> None:
        states = self.aws.client("stepfunctions")
        for machine in MACHINES:
            arn = self.aws.outputs[f"{machine}StateMachineArn"]
            for execution in states.list_executions(stateMachineArn=arn)["executions"]:
                known = execution["executionArn"] in self._executions
                self._executions[execution["executionArn"]] = execution
                if not known:
                    self._add(machine, execution)

    def _add(self, machine: str, execution: dict[str, Any]) -> None:
        key = execution["name"]
        if machine in KEYS:
            input_ = json.loads(self.aws.describe(execution["executionArn"])["input"])
            key = str(input_.get(KEYS[machine]))
        self._by_key.setdefault((machine, key), []).append(execution["executionArn"])

    def _read_mails(self) -> None:
        self._mails = self.aws.mails()

    def _read_announcements(self) -> None:
        sqs = self.aws.client("sqs")
        received = sqs.receive_message(QueueUrl=self._failures_queue, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            self._announced.append(json.loads(message["Body"])["Message"])
            sqs.delete_message(
                QueueUrl=self._failures_queue, ReceiptHandle=message["ReceiptHandle"]
            )
