"""The messages workflow from outside: what is sent to it, and what is to be seen of it."""

import json
import uuid
from typing import Any

from local import api
from local.api import Response
from local.aws import Deployment, until
from ops.dead_letters import DeadLetter, DeadLetterQueue

SOURCE = "com.devpost.commonevent"


class Messages:
    def __init__(self, aws: Deployment) -> None:
        self.aws = aws
        self.machine = aws.outputs["MessagesStateMachineArn"]
        self.bus = aws.outputs["MessagesBusName"]
        self.table = aws.outputs["MessagesTable"]
        self.dead_letters = DeadLetterQueue(aws.outputs["MessagesDeadLetterQueueUrl"], aws.client)

    def post(self, message: Any) -> str:
        """Post a message; returns its id."""
        response = api.call(self.aws, "POST", "/messages", {"message": message})
        assert response.status == 202, response.text
        return str(response.json["messageId"])

    def get(self, message_id: str) -> Response:
        return api.call(self.aws, "GET", f"/messages/{message_id}")

    def put(self, detail: Any, source: str = SOURCE) -> str:
        """Put an event on the bus, as any producer may; returns its id."""
        response = self.aws.client("events").put_events(
            Entries=[
                {
                    "EventBusName": self.bus,
                    "Source": source,
                    "DetailType": "message",
                    "Detail": json.dumps(detail),
                }
            ]
        )
        assert response["FailedEntryCount"] == 0
        return str(response["Entries"][0]["EventId"])

    def start(self, event: dict[str, Any], machine: str | None = None) -> dict[str, Any]:
        """Start the machine with an event, as EventBridge does; returns the ended execution."""
        started = self.aws.client("stepfunctions").start_execution(
            stateMachineArn=machine or self.machine, input=json.dumps(event)
        )
        return self.aws.wait_for_end(started["executionArn"])

    def execution_of(self, message_id: str) -> dict[str, Any]:
        """The ended execution that the event with this id has started."""

        def look() -> str | None:
            for execution in self.aws.executions(self.machine):
                if json.loads(self.aws.describe(execution["executionArn"])["input"]).get("id") == (
                    message_id
                ):
                    return str(execution["executionArn"])
            return None

        return self.aws.wait_for_end(until(f"the execution for {message_id}", look))

    def wait_for_record(self, message_id: str) -> dict[str, Any]:
        """The record of a message, once it is there."""

        def look() -> dict[str, Any] | None:
            response = self.get(message_id)
            return response.json if response.status == 200 else None

        return until(f"the record of {message_id}", look)

    def items(self) -> list[dict[str, Any]]:
        pages = self.aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.table)
        return [item for page in pages for item in page["Items"]]

    def item(self, message_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (
            self.aws.client("dynamodb")
            .get_item(TableName=self.table, Key={"messageId": {"S": message_id}})
            .get("Item")
        )
        return found

    def wait_for_dead_letter(self, message_id: str) -> DeadLetter:
        """The dead letter that holds the event with this id."""

        def look() -> DeadLetter | None:
            letters = self.dead_letters.read()
            return next((one for one in letters if holds(one, message_id)), None)

        return until(f"the dead letter of {message_id}", look)


def holds(letter: DeadLetter, message_id: str) -> bool:
    return isinstance(letter.content, dict) and letter.content.get("id") == message_id


def event(message: str, **changes: Any) -> dict[str, Any]:
    """An event as EventBridge hands it to the machine, with a new id."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "message",
        "source": SOURCE,
        "account": "000000000000",
        "time": "2025-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {"message": message},
        **changes,
    }
