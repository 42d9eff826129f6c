"""The deployed service from outside: what a person or a test sends to it and reads from it."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError

from local.errors import LocalError
from local.settings import REGION, STACK, STAGE, Settings

WAIT_SECONDS = 60
T = TypeVar("T")


def until(expected: str, poll: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """Call `poll` until it returns something. LocalError after `seconds`, naming `expected`."""
    deadline = time.monotonic() + seconds
    while True:
        found = poll()
        if found:
            return found
        if time.monotonic() > deadline:
            raise LocalError(f"Waited {seconds:g} s for {expected} without success.")
        time.sleep(0.1)


class Aws:
    """The stack `stepworks-local` on one local AWS."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clients: dict[str, Any] = {}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, by CloudFormation output key."""
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in stacks[0].get("Outputs", [])}

    def is_deployed(self) -> bool:
        """Whether there is a stack: `serverless remove` may have removed it."""
        try:
            return bool(self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"])
        except ClientError:
            return False

    def client(self, service: str) -> Any:
        """A boto3 client with the rights of the account's root."""
        if service not in self._clients:
            self._clients[service] = self._client(service, "test", "test")
        return self._clients[service]

    def client_as(self, function: str, service: str) -> Any:
        """A boto3 client with only the rights of a function's own role."""
        role = self.client("lambda").get_function_configuration(
            FunctionName=self.function_name(function)
        )["Role"]
        session = self.client("sts").assume_role(RoleArn=role, RoleSessionName=function)
        keys = session["Credentials"]
        return self._client(
            service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
        )

    def _client(self, service: str, key: str, secret: str, token: str | None = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.settings.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )

    @staticmethod
    def function_name(key: str) -> str:
        return f"stepworks-{STAGE}-{key}"

    def invoke(self, function: str, event: Any) -> Any:
        """The function's result. LocalError with its error if it fails."""
        response = self.client("lambda").invoke(
            FunctionName=self.function_name(function), Payload=json.dumps(event)
        )
        payload = json.loads(response["Payload"].read() or "null")
        if "FunctionError" in response:
            raise LocalError(f"{function} failed: {json.dumps(payload)}")
        return payload

    # -- Executions ------------------------------------------------------------------------

    def executions(self, machine_arn: str) -> list[dict[str, Any]]:
        """The machine's executions, newest first."""
        return list(self._pages("list_executions", "executions", stateMachineArn=machine_arn))

    def describe(self, execution_arn: str) -> dict[str, Any]:
        described: dict[str, Any] = self.client("stepfunctions").describe_execution(
            executionArn=execution_arn
        )
        return described

    def wait_for_end(self, execution_arn: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The execution's description once it is no longer running."""

        def ended() -> dict[str, Any] | None:
            described = self.describe(execution_arn)
            return described if described["status"] != "RUNNING" else None

        return until(f"the end of {execution_arn}", ended, seconds)

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        return list(self._pages("get_execution_history", "events", executionArn=execution_arn))

    def visited(self, execution_arn: str) -> list[str]:
        """Names of the states in the order in which they were entered."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history(execution_arn)
            if "stateEnteredEventDetails" in event
        ]

    def _pages(self, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        for page in self.client("stepfunctions").get_paginator(operation).paginate(**parameters):
            yield from page[key]

    # -- Mail --------------------------------------------------------------------------------

    def mails(self, containing: str = "") -> list[dict[str, Any]]:
        """Mails in the local inbox with this text in any part: To, Subject, BodyText, BodyHtml …"""
        with urllib.request.urlopen(
            f"{self.settings.endpoint}/_ministack/ses/messages"
        ) as response:
            accounts = json.load(response)["messages"]
        return [
            message
            for messages in accounts.values()
            for message in messages
            if any(containing in str(value) for value in message.values())
        ]
