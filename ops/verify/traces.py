"""What a run of the checks has left behind: found by its prefix and its ledger, counted, removed.

The ledger has a line for each call by which the checks made something, written when it was made. So
this works whatever happened to the checks. What nobody can remove expires: the history and the name
of an execution (90 days), lines in log groups, metrics.
"""

import hashlib
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.account import Account
from ops.dlq import queues_of

GONE = ("ResourceNotFound", "NoSuchEntity", "DoesNotExist", "NotFound", "NonExistentQueue")
CLOCK_SKEW = timedelta(minutes=5)
SETTLE_SECONDS = 5  # until events of executions that were stopped are recorded
LATE_SECONDS = 30  # events of the run are recorded until then
LARGEST_FUNCTION_GB = 1.73
WAYS_OF_A_KEY = ("", "processed/", "failed/", "rejected/")  # where a file of the sensor workflow is
MAILS_OF_AN_EXECUTION = (
    *("File processed", "File not processed", "File processed, but moving it failed"),
    "unsigned-document",
)
MAILS_OF_A_REQUEST = ("signature-request", "signature-reminder")


Counts = defaultdict[str, float]  # of each thing that is billed


@dataclass
class Ledger:
    """What the checks made, as far as its names and ids are known from their own calls."""

    names: set[str] = field(default_factory=set)
    executions: set[str] = field(default_factory=set)  # ARNs
    ids: set[str] = field(default_factory=set)  # of events, which are also those of messages
    downloads: set[str] = field(default_factory=set)  # URLs
    roles: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    counts: Counts = field(default_factory=lambda: defaultdict(float))

    @classmethod
    def read(cls, lines: Iterable[Mapping[str, Any]]) -> "Ledger":
        ledger = cls()
        for line in lines:
            ledger._add(line["what"], line["parameters"], line["response"])
        return ledger

    def _add(self, what: str, parameters: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        if what == "name":
            self.names.add(parameters["name"])
        elif what == "stepfunctions:StartExecution":
            self.executions.add(response["executionArn"])
            self.ids |= _ids(parameters.get("input"))
            self._add_downloads(parameters.get("input"))
        elif what == "events:PutEvents":
            self.ids |= {one["EventId"] for one in response["Entries"] if "EventId" in one}
            self.counts["event"] += len(response["Entries"])
        elif what == "sqs:SendMessage":
            self.ids |= _ids(parameters["MessageBody"])
            self.counts["message"] += 1
        elif what == "iam:CreateRole":
            self.roles.add(parameters["RoleName"])
        elif what == "iam:CreateUser":
            self.users.add(parameters["UserName"])
        elif what == "lambda:Invoke":
            self.counts["Lambda request"] += 1
        elif what == "cloudwatch:PutMetricAlarm":
            self.counts["alarm"] += 1
        elif what == "s3:PutObject":
            self.counts["S3 PUT"] += 1
        elif what.startswith(("GET /", "POST /")):
            self.counts["API request"] += 1
            self.counts["Lambda request"] += 1
            made = _object(response["text"])
            if "executionArn" in made:
                self.executions.add(made["executionArn"])
                self._add_downloads(parameters.get("body"))
            if "messageId" in made:
                self.ids.add(made["messageId"])

    def _add_downloads(self, text: Any) -> None:
        request = _object(text)
        base, paths = request.get("baseUrl"), request.get("resourcePaths")
        if isinstance(base, str) and isinstance(paths, list):
            self.downloads |= {f"{base.rstrip('/')}/{path}" for path in paths}


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _ids(text: Any) -> set[str]:
    found = _object(text).get("id")
    return {found} if isinstance(found, str) else set()


class Traces:
    """Everything that the checks of one run made, directly or through the service."""

    def __init__(
        self, account: Account, prefix: str, begun: datetime, lines: Iterable[Mapping[str, Any]]
    ) -> None:
        self._account = account
        self._prefix = prefix
        self._begun = begun - CLOCK_SKEW
        self._ledger = Ledger.read(lines)
        self._executions: list[str] = []
        self.counts: Counts = defaultdict(float, self._ledger.counts)
        self._left: list[str] = []

    def remove(self) -> list[str]:
        """Remove everything. Returns a sentence for each thing that could not be removed."""
        self._try("the list of the run's executions", self._find_executions)
        for what, step in {
            "the executions": self._stop_executions,
            "machines": self._remove_machines,
            "functions": self._remove_functions,
            "schedules": self._remove_schedules,
            "rules": self._remove_rules,
            "subscriptions": self._remove_subscriptions,
            "queues": self._remove_queues,
            "alarms": self._remove_alarms,
            "roles": self._remove_roles,
            "users": self._remove_users,
            "stacks": self._remove_stacks,
            "dead letters": self._remove_dead_letters,
            "downloads": self._remove_downloads,
            "objects": self._remove_objects,
            "readings": self._remove_readings,
            "messages": self._remove_messages,
            "signature requests": self._remove_requests,
            "records of mails": self._remove_mails,
            "the event log": self._remove_events,
        }.items():
            self._try(what, step)
        self._try("the use of the executions", self._count)
        return self._left

    def _try(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except (BotoCoreError, ClientError, KeyError) as error:
            self._left.append(f"{what}: {error}")

    def _client(self, service: str) -> Any:
        return self._account.clients(service)

    def _pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        pages = self._client(service).get_paginator(operation).paginate(**parameters)
        return (one for page in pages for one in page.get(key, []))

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self._prefix)

    def _mentions_us(self, text: str) -> bool:
        return self._prefix in text or any(one in text for one in self._ledger.ids)

    # -- The stack ---------------------------------------------------------------------------------

    def _resources(self, kind: str) -> dict[str, str]:
        found = self._pages(
            *("cloudformation", "list_stack_resources", "StackResourceSummaries"),
            StackName=self._account.stack,
        )
        return {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in found
            if one["ResourceType"] == kind and one.get("PhysicalResourceId")
        }

    def _table(self, logical_id: str) -> str:
        return self._resources("AWS::DynamoDB::Table")[logical_id]

    # -- Executions --------------------------------------------------------------------------------

    def _find_executions(self) -> None:
        """Those that the checks started, and those that the service started because of them."""
        states = self._client("stepfunctions")
        for machine in self._resources("AWS::StepFunctions::StateMachine").values():
            if states.describe_state_machine(stateMachineArn=machine)["type"] == "EXPRESS":
                continue
            for one in self._pages(
                *("stepfunctions", "list_executions", "executions"), stateMachineArn=machine
            ):
                if one["startDate"] < self._begun:
                    break  # the newest come first
                arn, name = one["executionArn"], one["name"]
                if (
                    arn in self._ledger.executions
                    or self._is_ours(name)
                    or name in self._ledger.ids
                    or self._mentions_us(
                        states.describe_execution(executionArn=arn).get("input", "")
                    )
                ):
                    self._executions.append(arn)

    def _stop_executions(self) -> None:
        states = self._client("stepfunctions")
        stopped = 0
        for arn in self._executions:
            if states.describe_execution(executionArn=arn)["status"] == "RUNNING":
                states.stop_execution(executionArn=arn, error="Verified", cause="make verify ended")
                stopped += 1
        if stopped:
            time.sleep(SETTLE_SECONDS)

    def _of(self, machine: str) -> list[str]:
        found = f":{self._account.stack}-{machine}:"
        return [arn for arn in self._executions if found in arn]

    def _count(self) -> None:
        """State transitions and the time of functions, from the histories."""
        for arn in self._executions:
            for event in self._pages(
                "stepfunctions", "get_execution_history", "events", executionArn=arn
            ):
                kind = event["type"]
                self.counts["state transition"] += kind.endswith("StateEntered")
                if kind in ("LambdaFunctionScheduled", "TaskScheduled"):
                    self.counts["Lambda request"] += 1
                    self.counts["event"] += 2
                    # A second of the largest function: more than nearly every one of them takes.
                    self.counts["Lambda GB-second"] += LARGEST_FUNCTION_GB
            self.counts["event"] += 2  # its changes of status

    # -- What has a name of our own ----------------------------------------------------------------

    def _remove_machines(self) -> None:
        states = self._client("stepfunctions")
        for one in self._pages("stepfunctions", "list_state_machines", "stateMachines"):
            if self._is_ours(one["name"]):
                states.delete_state_machine(stateMachineArn=one["stateMachineArn"])

    def _remove_functions(self) -> None:
        functions = self._client("lambda")
        for one in self._pages("lambda", "list_functions", "Functions"):
            if self._is_ours(one["FunctionName"]):
                functions.delete_function(FunctionName=one["FunctionName"])
        logs, begin = self._client("logs"), f"/aws/lambda/{self._prefix}"
        for group in logs.describe_log_groups(logGroupNamePrefix=begin)["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])

    def _unless_gone(self, call: Callable[..., Any], **parameters: Any) -> None:
        try:
            call(**parameters)
        except ClientError as error:
            if not any(one in error.response["Error"]["Code"] for one in GONE):
                raise

    def _remove_schedules(self) -> None:
        scheduler = self._client("scheduler")
        for one in self._pages("scheduler", "list_schedules", "Schedules", NamePrefix=self._prefix):
            scheduler.delete_schedule(Name=one["Name"], GroupName=one["GroupName"])
        # Reminders of requests: named by the request, deleted by themselves at half of its time.
        group = f"{self._account.stack}-signature-reminders"
        for request in self._requests():
            self._unless_gone(scheduler.delete_schedule, Name=request, GroupName=group)

    def _remove_rules(self) -> None:
        events = self._client("events")
        for rule in events.list_rules(NamePrefix=self._prefix)["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if targets:
                events.remove_targets(Rule=rule["Name"], Ids=[one["Id"] for one in targets])
            events.delete_rule(Name=rule["Name"])

    def _remove_subscriptions(self) -> None:
        sns = self._client("sns")
        for topic in self._resources("AWS::SNS::Topic").values():
            for one in self._pages(
                "sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic
            ):
                if self._is_ours(one["Endpoint"].rpartition(":")[2]):
                    sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])

    def _remove_queues(self) -> None:
        sqs = self._client("sqs")
        for url in sqs.list_queues(QueueNamePrefix=self._prefix).get("QueueUrls", []):
            self._unless_gone(sqs.delete_queue, QueueUrl=url)

    def _remove_alarms(self) -> None:
        cloudwatch = self._client("cloudwatch")
        found = cloudwatch.describe_alarms(AlarmNamePrefix=self._prefix)["MetricAlarms"]
        if found:
            cloudwatch.delete_alarms(AlarmNames=[one["AlarmName"] for one in found])

    def _remove_roles(self) -> None:
        for name in sorted(self._ledger.roles):
            self._unless_gone(lambda name=name: self._remove_role(name))

    def _remove_role(self, name: str) -> None:
        iam = self._client("iam")
        iam.get_role(RoleName=name)
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    def _remove_users(self) -> None:
        for name in sorted(self._ledger.users):
            self._unless_gone(lambda name=name: self._remove_user(name))

    def _remove_user(self, name: str) -> None:
        iam = self._client("iam")
        iam.get_user(UserName=name)
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)

    def _remove_stacks(self) -> None:
        formation = self._client("cloudformation")
        for one in self._pages("cloudformation", "list_stacks", "StackSummaries"):
            if self._is_ours(one["StackName"]) and one["StackStatus"] != "DELETE_COMPLETE":
                formation.delete_stack(StackName=one["StackName"])
        # What those stacks retain.
        s3, dynamodb = self._client("s3"), self._client("dynamodb")
        for bucket in s3.list_buckets()["Buckets"]:
            if self._is_ours(bucket["Name"]):
                self._remove_versions(bucket["Name"], "")
                s3.delete_bucket(Bucket=bucket["Name"])
        for table in self._pages("dynamodb", "list_tables", "TableNames"):
            if self._is_ours(table):
                dynamodb.delete_table(TableName=table)

    # -- What the service stored -------------------------------------------------------------------

    def _remove_dead_letters(self) -> None:
        for name, queue in queues_of(self._account).items():
            if not re.search("DeadLetter|Failure", name) or not queue.count():
                continue
            with queue.held() as letters:
                for letter in letters:
                    if self._mentions_us(letter.body):
                        queue.delete(letter)

    def _remove_downloads(self) -> None:
        dynamodb, s3 = self._client("dynamodb"), self._client("s3")
        table = self._table("ImagesTable")
        bucket = self._resources("AWS::S3::Bucket")["ImagesBucket"]
        for url in sorted(one for one in self._ledger.downloads if len(one.encode()) <= 2048):
            key = {"url": {"S": url}}
            item = dynamodb.get_item(TableName=table, Key=key).get("Item")
            if item:
                s3.delete_object(Bucket=bucket, Key=item["filename"]["S"])
                self._delete_item(table, key)

    def _remove_objects(self) -> None:
        folders = [f"{arn.rpartition(':')[2]}/" for arn in self._executions]
        for name, bucket in self._resources("AWS::S3::Bucket").items():
            prefixes = [f"{way}{self._prefix}" for way in WAYS_OF_A_KEY]
            if name in ("CookiesBucket", "ImagesRunsBucket", "SensorWorkBucket"):
                prefixes += folders
            for prefix in prefixes:
                self._remove_versions(bucket, prefix)

    def _remove_versions(self, bucket: str, prefix: str) -> None:
        s3 = self._client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            found = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for one in page.get(kind, [])
            ]
            if found:
                response = s3.delete_objects(Bucket=bucket, Delete={"Objects": found})
                self._left += [
                    f"{bucket}/{error['Key']}: {error['Message']}"
                    for error in response.get("Errors", [])
                ]
                self.counts["S3 PUT"] += len(found)

    def _remove_readings(self) -> None:
        dynamodb, table = self._client("dynamodb"), self._table("SensorReadingsTable")
        for name in sorted(self._ledger.names):
            for item in self._pages(
                *("dynamodb", "query", "Items"),
                TableName=table,
                KeyConditionExpression="sensor_id = :name",
                ExpressionAttributeValues={":name": {"S": name}},
            ):
                key = {name: item[name] for name in ("sensor_id", "timestamp")}
                dynamodb.delete_item(TableName=table, Key=key)
                self.counts["write request unit"] += 2

    def _remove_messages(self) -> None:
        table = self._table("MessagesTable")
        for message in sorted(self._ledger.ids):
            self._delete_item(table, {"messageId": {"S": message}})

    def _requests(self) -> list[str]:
        """Ids of signature requests, which are hashes of their executions' ARNs."""
        return [hashlib.sha256(arn.encode()).hexdigest() for arn in self._of("signature")]

    def _remove_requests(self) -> None:
        table = self._table("SignatureRequestsTable")
        for request in self._requests():
            self._delete_item(table, {"requestId": {"S": request}})

    def _remove_mails(self) -> None:
        table = self._table("EmailLogTable")
        keys = [
            f"{kind}#{arn}"
            for arn in self._of("sensor") + self._of("signature")
            for kind in MAILS_OF_AN_EXECUTION
        ]
        keys += [f"{kind}#{one}" for one in self._requests() for kind in MAILS_OF_A_REQUEST]
        for key in keys:
            record = f"mail#{hashlib.sha256(json.dumps(key).encode()).hexdigest()}"
            self.counts["mail"] += self._delete_item(table, {"id": {"S": record}})

    def _remove_events(self) -> None:
        """Again and again: an event may be recorded while others are removed."""
        queue = queues_of(self._account)["EventLogQueue"]
        deadline = time.monotonic() + LATE_SECONDS
        while queue.count() and time.monotonic() < deadline:
            time.sleep(1)
        while self._remove_recorded_events() and time.monotonic() < deadline:
            time.sleep(SETTLE_SECONDS)

    def _remove_recorded_events(self) -> int:
        """How many there were."""
        dynamodb, table = self._client("dynamodb"), self._table("EventLogTable")
        jobs = [":".join(arn.split(":")[6:8]) for arn in self._executions]
        # The name of an execution that EventBridge started begins with the event's id.
        names = (arn.rpartition(":")[2].partition("_")[0] for arn in self._executions)
        jobs += [f"event:{one}" for one in sorted({*self._ledger.ids, *names})]
        # Executions that there never were, but that an event named.
        jobs += [f"{self._account.stack}-cookies:{name}" for name in sorted(self._ledger.names)]
        removed = 0
        for job in jobs:
            for item in self._pages(
                *("dynamodb", "query", "Items"),
                TableName=table,
                KeyConditionExpression="job = :job",
                ExpressionAttributeValues={":job": {"S": job}},
            ):
                key = {name: item[name] for name in ("job", "entry")}
                dynamodb.delete_item(TableName=table, Key=key)
                self.counts["write request unit"] += 4
                removed += 1
        return removed

    def _delete_item(self, table: str, key: dict[str, Any]) -> bool:
        """Whether there was one."""
        deleted = self._client("dynamodb").delete_item(
            TableName=table, Key=key, ReturnValues="ALL_OLD"
        )
        existed = bool(deleted.get("Attributes"))
        self.counts["write request unit"] += 4 if existed else 1
        return existed
