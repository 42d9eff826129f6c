"""The deployed service from outside: what a person or a test sends to it and reads from it."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import takewhile
from typing import Any, TypeVar
from uuid import uuid4

import boto3
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local.errors import LocalError
from local.settings import REGION, SERVICE, STAGE, Settings

WAIT_SECONDS = 60
LONGEST_PAUSE = 0.5  # seconds between two polls, unless `Pace.pause` is longer
CLOCK_SKEW = timedelta(minutes=5)
T = TypeVar("T")
# Called for each thing that is made: what ("s3:PutObject", "POST /documents"), with which
# parameters, and the response.
Record = Callable[[str, Mapping[str, Any], Mapping[str, Any]], None]


@dataclass
class Pace:
    """How patient `until` is. An account is slower than this machine, and limits requests."""

    factor: float = 1  # of the time that is waited
    pause: float = 0.1  # seconds between two polls; longer after two seconds, see `until`


pace = Pace()


def until(expected: str, poll: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """Call `poll` until it returns something. LocalError after `seconds`, naming `expected`.

    The longer it has waited, the less often it calls: the result is seen at most 5 % later, and
    what is waited for has the processor time.
    """
    seconds *= pace.factor
    started = time.monotonic()
    while True:
        found = poll()
        if found:
            return found
        waited = time.monotonic() - started
        if waited > seconds:
            raise LocalError(f"Waited {seconds:g} s for {expected} without success.")
        time.sleep(max(pace.pause, min(waited / 20, LONGEST_PAUSE)))


class Deployment:
    """The stack of one stage, as a person or a test uses it from outside."""

    is_local = False

    def __init__(
        self,
        stage: str,
        session: boto3.Session,
        region: str,
        *,
        endpoint: str | None = None,
        prefix: str = "test",
        record: Record | None = None,
    ) -> None:
        self.stage = stage
        self.stack = f"{SERVICE}-{stage}"
        self.region = region
        self.prefix = prefix
        self.record = record
        self.endpoint = endpoint
        self._since = datetime.now(UTC) - CLOCK_SKEW if record else datetime.min.replace(tzinfo=UTC)
        self._session = session
        self._clients: dict[str, Any] = {}

    def name(self) -> str:
        """A name that nothing else has. Everything made under it can be found by the prefix."""
        name = f"{self.prefix}-{uuid4().hex[:12]}"
        if self.record:
            self.record("name", {"name": name}, {})
        return name

    @cached_property
    def credentials(self) -> Credentials:
        """Those of the session, for requests that a test signs itself."""
        return self._session.get_credentials().get_frozen_credentials()

    @cached_property
    def account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, by CloudFormation output key."""
        stacks = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return {item["OutputKey"]: item["OutputValue"] for item in stacks[0].get("Outputs", [])}

    def resource(self, logical_id: str) -> str:
        """The physical id of one of the stack's resources."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def resources(self, kind: str) -> dict[str, str]:
        """Physical ids of the stack's resources of a type (AWS::Logs::LogGroup), by logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in pages.paginate(StackName=self.stack)
            for one in page["StackResourceSummaries"]
            if one["ResourceType"] == kind
        }

    def is_deployed(self) -> bool:
        """Whether there is a stack: `serverless remove` may have removed it."""
        formation = self.client("cloudformation")
        try:
            return bool(formation.describe_stacks(StackName=self.stack)["Stacks"])
        except ClientError:
            return False

    def client(self, service: str) -> Any:
        """A boto3 client with the rights of the session."""
        if service not in self._clients:
            self._clients[service] = client = self._client(service, self._session)
            if self.record:
                record_calls(client, self.record)
        return self._clients[service]

    def client_as(self, function: str, service: str) -> Any:
        """A boto3 client with only the rights of a function's own role."""
        role = self.client("lambda").get_function_configuration(
            FunctionName=self.function_name(function)
        )["Role"]
        session = self.client("sts").assume_role(RoleArn=role, RoleSessionName=function)
        keys = session["Credentials"]
        return self._client(
            service,
            boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]),
        )

    def _client(self, service: str, session: boto3.Session) -> Any:
        return session.client(service, endpoint_url=self.endpoint, region_name=self.region)

    def function_name(self, key: str) -> str:
        return f"{self.stack}-{key}"

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
        """The machine's executions, newest first; of a recorded run, only those of its time."""
        found = self._pages("list_executions", "executions", stateMachineArn=machine_arn)
        return list(takewhile(lambda one: one["startDate"] >= self._since, found))

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

    # -- Mail --------------------------------------------------------------------------------

    def mails(self, containing: str = "") -> list[dict[str, Any]]:
        """Mails with this text in any part. Only the local AWS has an inbox that can be read."""
        raise LocalError(f"The stage {self.stage} has no inbox that can be read.")

    def _pages(self, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        for page in self.client("stepfunctions").get_paginator(operation).paginate(**parameters):
            yield from page[key]


class Aws(Deployment):
    """The stack `stepworks-local` on one local AWS, and its inbox."""

    is_local = True

    def __init__(
        self, settings: Settings, *, prefix: str = "test", record: Record | None = None
    ) -> None:
        super().__init__(
            STAGE,
            boto3.Session("test", "test"),  # the account's root
            REGION,
            endpoint=settings.endpoint,
            prefix=prefix,
            record=record,
        )
        self.settings = settings

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


def record_calls(client: Any, record: Record) -> None:
    """Record every successful call of a client."""
    service = client.meta.service_model.service_name
    events = client.meta.events

    def note(params: Any, context: dict[str, Any], **_: Any) -> None:
        context["recorded parameters"] = params

    def done(
        http_response: Any, parsed: Any, model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        if http_response.status_code < 300:
            record(f"{service}:{model.name}", context.get("recorded parameters", {}), parsed)

    events.register("provide-client-params.*.*", note)
    events.register("after-call.*.*", done)
