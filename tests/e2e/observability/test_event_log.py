"""Each workflow leaves its events in the event log, and the API shows them."""

import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from handlers.observability.timeline import job_of_execution
from local import api
from local.aws import Aws, Deployment, until
from tests.e2e.cookies.conftest import Cookies

STATUS = "Step Functions Execution Status Change"


class EventLog:
    """What the API shows, and what the table holds."""

    def __init__(self, aws: Deployment) -> None:
        self.aws = aws

    def job(self, identifier: str, status: str, **counts: int) -> dict[str, Any]:
        """A job once it has a status and as many events of each type, or more."""

        def look() -> dict[str, Any] | None:
            response = api.call(self.aws, "GET", f"/jobs/{identifier}")
            if response.status == 404:
                return None
            found: dict[str, Any] = response.json
            seen = kinds(found)
            complete = all(seen[kind] >= count for kind, count in counts.items())
            return found if found["status"] == status and complete else None

        return until(f"{identifier} to be {status} with {counts}", look)

    def listed(self, **query: str) -> list[dict[str, Any]]:
        response = api.call(self.aws, "GET", f"/jobs?{urlencode(query)}")
        assert response.status == 200, response.text
        jobs: list[dict[str, Any]] = response.json["jobs"]
        return jobs

    def items(self, job: str) -> str:
        """Everything that the table holds of a job, as text."""
        pages = self.aws.client("dynamodb").get_paginator("query")
        query = {
            "TableName": self.aws.outputs["EventLogTable"],
            "KeyConditionExpression": "job = :job",
            "ExpressionAttributeValues": {":job": {"S": job}},
        }
        return str([item for page in pages.paginate(**query) for item in page["Items"]])


@pytest.fixture
def log(aws: Aws) -> EventLog:
    return EventLog(aws)


def kinds(job: dict[str, Any]) -> Counter[str]:
    return Counter(event["detailType"] for event in job["events"])


def outcomes(job: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(span["kind"], span["name"], span["outcome"]) for span in job["spans"]}


def put(aws: Aws, source: str, kind: str, detail: Any, bus: str = "default") -> str:
    entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}
    response = aws.client("events").put_events(Entries=[entry | {"EventBusName": bus}])
    return str(response["Entries"][0]["EventId"])


# -- cookies --------------------------------------------------------------------------------------


@pytest.mark.check("input-transformer", only_on_aws="it replaces the placeholders in its own way")
def test_a_cookies_execution_leaves_every_event_and_every_hop(
    aws: Deployment, log: EventLog
) -> None:
    bus = Cookies(aws).bus
    started_by = put(aws, "project", "start", {"names": ["Ada", "Bob"], "stage": aws.stage}, bus)
    job = f"{aws.stack}-cookies:{started_by}"
    every = {
        "start": 1,
        STATUS: 2,
        "task.get.multiple": 1,
        "task.process.single": 2,
        "task.process.single.post": 2,
        "task.process.all": 1,
        "task.finished": 4,
        "async.complete": 2,
    }
    found = log.job(job, "SUCCEEDED", **every)  # events are recorded in any order

    assert kinds(found) == every
    assert outcomes(found) == {
        ("execution", f"{aws.stack}-cookies", "completed"),
        ("machine", "cookies-starter", "completed"),
        ("state", "cookies/Get Multiple", "completed"),
        ("state", "cookies/Process Single", "completed"),
        ("state", "cookies/Post Process All", "completed"),
        ("function", "getMultiple", "completed"),
        ("function", "processSingle", "completed"),
        ("function", "postProcessSingle", "completed"),
        ("function", "sideEffect", "completed"),
        ("function", "postProcessAll", "completed"),
    }
    assert len(found["spans"]) == 14
    assert found["startedBy"] == started_by
    assert job in {one["id"] for one in log.listed(workflow="cookies", status="SUCCEEDED")}
    assert not [one for one in log.listed(status="NO_EXECUTION") if one["id"].endswith(started_by)]


def test_what_is_secret_is_not_in_the_table(aws: Aws, log: EventLog) -> None:
    started_by = put(aws, "project", "start", {"names": ["Eve"]})
    job = f"stepworks-local-cookies:{started_by}"
    found = log.job(job, "SUCCEEDED", **{"async.complete": 1})
    tokens = {event["detail"].get("TaskToken") for event in found["events"]} - {None}

    assert len(tokens) == 3
    assert all(token.startswith("token:") for token in tokens)
    assert "X-Amz-" not in log.items(job)
    assert "Signature" not in log.items(job)


def test_a_cookies_execution_that_fails_says_which_function_did(aws: Aws, log: EventLog) -> None:
    started_by = put(aws, "project", "start", {"names": "no list"})
    found = log.job(f"stepworks-local-cookies:{started_by}", "FAILED")

    assert found["error"] == "InvalidRequestError"
    assert kinds(found)["task.failed"] == 1
    assert {
        ("function", "getMultiple", "failed"),
        ("state", "cookies/Get Multiple", "failed"),
        ("state", "cookies/Report Failure", "completed"),
    } <= outcomes(found)


# -- The other workflows --------------------------------------------------------------------------


@pytest.mark.check("event-log")
def test_a_message_is_tied_to_its_execution(aws: Aws, log: EventLog) -> None:
    posted = api.call(aws, "POST", "/messages", {"message": {"from": "e2e"}})
    message = posted.json["messageId"]
    started = until(
        "the execution of the message",
        lambda: api.call(aws, "GET", f"/jobs/event:{message}").json.get("started"),
    )
    found = log.job(started, "SUCCEEDED", message=1)

    assert kinds(found) == {"message": 1, STATUS: 2}
    assert found["events"][0]["id"] == message
    assert outcomes(found) == {
        ("machine", "messages", "completed"),
        ("execution", f"{aws.stack}-messages", "completed"),
    }


def test_a_sensor_execution_leaves_its_changes_of_status(aws: Aws, log: EventLog) -> None:
    key = f"{uuid4().hex}.csv"
    sample = b"0000-0001,1483906366,10.10\n"
    aws.client("s3").put_object(Bucket=aws.outputs["SensorSourceBucket"], Key=key, Body=sample)

    def look() -> str | None:
        for one in aws.executions(aws.outputs["SensorStateMachineArn"]):
            if key in aws.describe(one["executionArn"])["input"]:
                return str(one["executionArn"])
        return None

    arn = until("the execution of the file", look)
    found = log.job(job_of_execution(arn), "SUCCEEDED")

    assert [event["detail"]["status"] for event in found["events"]] == ["RUNNING", "SUCCEEDED"]
    assert outcomes(found) == {("execution", "stepworks-local-sensor", "completed")}
    assert found["executionArn"] == arn


def test_a_signature_waits_until_it_is_stopped(aws: Aws, log: EventLog) -> None:
    started = api.call(aws, "POST", "/documents", {"documentId": uuid4().hex}).json
    job = job_of_execution(started["executionArn"])
    running = log.job(job, "RUNNING")

    assert outcomes(running) == {("execution", "stepworks-local-signature", "waiting")}
    assert job in {one["id"] for one in log.listed(workflow="signature", status="running")}

    aws.client("stepfunctions").stop_execution(executionArn=started["executionArn"])
    found = log.job(job, "ABORTED")
    assert outcomes(found) == {("execution", "stepworks-local-signature", "failed")}
    assert job not in {one["id"] for one in log.listed(workflow="signature", status="running")}


def test_an_images_execution_that_fails_has_its_error(aws: Aws, log: EventLog) -> None:
    request = {"baseUrl": "http://127.0.0.1:1", "resourcePaths": ["a.png"], "lambdaConcur": 1}
    started = api.call(aws, "POST", "/downloads", request).json
    found = log.job(job_of_execution(started["executionArn"]), "FAILED")

    assert found["error"] == "DownloadsFailedError"
    assert [event["detail"]["status"] for event in found["events"]] == ["RUNNING", "FAILED"]


# -- Whose they are -------------------------------------------------------------------------------


def test_an_event_of_another_stage_is_not_recorded(aws: Aws, log: EventLog) -> None:
    """The next event of this stage is there, and the one before it is not."""
    other = put(aws, "project", "start", {"stage": "prod"})
    own = put(aws, "project", "start", {"names": []})
    log.job(f"stepworks-local-cookies:{own}", "SUCCEEDED")

    assert api.call(aws, "GET", f"/jobs/event:{other}").status == 404


@pytest.mark.parametrize("path", ["/jobs", "/jobs/stepworks-local-cookies:one"])
@pytest.mark.check("api-unsigned")
def test_an_unsigned_request_is_refused(aws: Aws, path: str) -> None:
    assert api.call(aws, "GET", path, credentials=None).status == 403


def test_a_job_that_is_not_there_is_not_found(aws: Aws) -> None:
    assert api.call(aws, "GET", f"/jobs/stepworks-local-cookies:{uuid4()}").status == 404


def test_a_parameter_that_is_wrong_is_named(aws: Aws) -> None:
    response = api.call(aws, "GET", "/jobs?status=done")

    assert (response.status, response.json["message"][:21]) == (400, "status must be one of")


@pytest.mark.parametrize("function", ["listJobs", "getJob"])
def test_who_reads_the_event_log_cannot_write_it(aws: Aws, function: str) -> None:
    table = aws.outputs["EventLogTable"]
    item = {"job": {"S": "stepworks-local-x:y"}, "entry": {"S": "summary"}}
    dynamodb = aws.client_as(function, "dynamodb")

    with pytest.raises(dynamodb.exceptions.ClientError, match="AccessDenied"):
        dynamodb.put_item(TableName=table, Item=item)


# -- What cannot be recorded ----------------------------------------------------------------------


def test_a_message_that_cannot_be_recorded_becomes_a_dead_letter_as_it_came(
    aws: Aws, log: EventLog
) -> None:
    """And it does not keep others from being recorded."""
    sqs = aws.client("sqs")
    queue, letters = (queue_url(aws, name) for name in ("EventLogQueue", "EventLogDeadLetterQueue"))
    broken = json.dumps({"id": uuid4().hex, "detail": "no object"})
    (timeout,) = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])[
        "Attributes"
    ].values()
    set_timeout(aws, queue, "1")  # else it takes ten minutes
    try:
        sqs.send_message(QueueUrl=queue, MessageBody=broken)
        event = put(aws, "project", "start", {"names": []})
        log.job(f"stepworks-local-cookies:{event}", "SUCCEEDED")
        letter = until("the dead letter", lambda: received(aws, letters, broken))
        sqs.delete_message(QueueUrl=letters, ReceiptHandle=letter["ReceiptHandle"])
    finally:
        set_timeout(aws, queue, timeout)


def queue_url(aws: Aws, logical_id: str) -> str:
    return aws.resource(logical_id)


def set_timeout(aws: Aws, queue: str, seconds: str) -> None:
    aws.client("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"VisibilityTimeout": seconds}
    )


def received(aws: Aws, queue: str, body: str) -> Any:
    """The message with this body; others are left to their readers."""
    answer = aws.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=1
    )
    return next((one for one in answer.get("Messages", []) if one["Body"] == body), None)
