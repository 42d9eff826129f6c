"""Recording events, and reading them through the API, on moto's DynamoDB."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from handlers.observability import event_log, track_event
from handlers.observability.timeline import STORED_TOKEN
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError
from tests.integration.observability.conftest import (
    ARN,
    SECONDS,
    TABLE,
    Log,
    context,
    event,
    fresh_clients,
    log,
    message,
    status_change,
    without,
)
from tests.unit.fakes import client_error

__all__ = ["context", "fresh_clients", "log"]

COOKIES = ARN.format("cookies", "one")
JOB = "stepworks-test-cookies:one"
START_ID = "0b5c3f6e-5a3c-4d8f-9f0b-2f6a3a0f0a01"
STARTED = status_change("RUNNING")
FINISHED = status_change("SUCCEEDED", seconds=1)


def body(response: dict[str, Any], status: int = 200) -> Any:
    assert response["statusCode"] == status, response
    return json.loads(response["body"])


def listed(log: Log, **query: str) -> list[str]:
    return [job["id"].partition(":")[2] for job in body(log.jobs(**query))["jobs"]]


# -- Recording ------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two"])
def test_a_message_that_is_delivered_twice_changes_nothing_but_the_time_of_recording(
    log: Log, at_once: bool
) -> None:
    delivered = [message(one, received=1) for one in (STARTED, FINISHED)]
    log.tracked(*delivered)
    once = without(log.items(), "recordedAt", "recordedHour")
    if at_once:
        log.tracked(*delivered, *delivered)
    else:
        log.tracked(*delivered[::-1])

    assert without(log.items(), "recordedAt", "recordedHour") == once


def test_an_event_that_was_received_twice_is_one_item(log: Log) -> None:
    log.tracked(message(FINISHED, received=1))
    log.tracked(message(FINISHED, received=2))

    assert [found["id"] for found in body(log.job(JOB))["events"]] == [FINISHED["id"]]


def test_events_of_the_same_moment_do_not_overwrite_each_other(log: Log) -> None:
    log.track(
        *(
            event("task.finished", {"execution": COOKIES}, identifier=identifier)
            for identifier in ("e1", "e2")
        )
    )

    assert [found["id"] for found in body(log.job(JOB))["events"]] == ["e1", "e2"]


def test_a_late_event_does_not_move_its_execution_back(log: Log) -> None:
    log.track(status_change("RUNNING"))
    log.track(status_change("SUCCEEDED", seconds=5))
    before = body(log.jobs())["jobs"]
    log.track(event("task.finished", {"execution": COOKIES}, seconds=2))
    log.track(status_change("RUNNING"))

    assert body(log.jobs())["jobs"] == before
    assert before[0]["status"] == "SUCCEEDED"
    assert before[0]["stoppedAt"] == (SECONDS + 5) * 1000


def test_a_change_of_status_counts_although_a_newer_event_came_before_it(log: Log) -> None:
    log.track(event("task.finished", {"execution": COOKIES}, seconds=5))
    log.track(status_change("RUNNING"))

    (job,) = body(log.jobs())["jobs"]
    assert (job["status"], job["latestType"]) == ("RUNNING", "task.finished")


def test_an_event_counts_although_its_status_is_out_of_date(log: Log) -> None:
    log.track(status_change("SUCCEEDED", seconds=1))
    log.track(status_change("RUNNING", seconds=2))

    (job,) = body(log.jobs())["jobs"]
    assert (job["status"], job["latest"]) == ("SUCCEEDED", "2026-01-31T12:00:02.000Z")


def test_an_execution_of_which_no_status_is_known_is_listed(log: Log) -> None:
    log.track(event("task.finished", {"execution": COOKIES}))

    assert body(log.jobs())["jobs"][0]["status"] == "UNKNOWN"


@pytest.mark.parametrize("first", ["start", "execution", "both"])
def test_an_event_is_tied_to_the_execution_it_started(log: Log, first: str) -> None:
    start = event("start", {"count": 3}, identifier=START_ID)
    arn = ARN.format("cookies", START_ID)
    running = status_change("RUNNING", START_ID, seconds=1, executionArn=arn)
    if first == "both":
        log.track(start, running)
    else:
        for tracked in [start, running] if first == "start" else [running, start]:
            log.track(tracked)

    found = body(log.job(f"stepworks-test-cookies:{START_ID}"))
    assert found["startedBy"] == START_ID
    assert found["events"][0]["detailType"] == "start"
    (machine,) = (span for span in found["spans"] if span["kind"] == "machine")
    assert (machine["name"], machine["outcome"]) == ("cookies-starter", "completed")
    assert listed(log, status="NO_EXECUTION") == []
    assert body(log.job(f"event:{START_ID}"))["started"] == f"stepworks-test-cookies:{START_ID}"


def test_an_event_that_starts_nothing_is_listed_by_itself(log: Log) -> None:
    log.track(event("start", {}, identifier=START_ID))

    assert listed(log) == []
    assert listed(log, status="NO_EXECUTION") == [START_ID]
    assert "started" not in body(log.job(f"event:{START_ID}"))


def test_no_token_is_stored_and_the_same_one_is_recognised(log: Log) -> None:
    for number, token in enumerate(("tiger", "tiger", "lion")):
        detail = {"execution": COOKIES, "TaskToken": token}
        log.track(event("task.finished", detail, identifier=f"e{number}"))
        track_event._token_key.cache_clear()  # another instance of the function

    assert "tiger" not in str(log.items())
    one, same, other = (found["detail"]["TaskToken"] for found in body(log.job(JOB))["events"])
    assert one == same != other
    assert STORED_TOKEN.fullmatch(one)


def test_the_key_of_another_instance_that_was_faster_is_used(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = event_log.EventLog(TABLE)
    first = keys.token_key()
    looked = iter([None])
    read = event_log.EventLog._read_key
    monkeypatch.setattr(
        event_log.EventLog, "_read_key", lambda self: next(looked, "none left") and read(self)
    )

    assert keys.token_key() == first


def test_an_item_expires(log: Log) -> None:
    log.tracked(message(status_change("RUNNING"), received=1_000_400))

    expirations = {item["expiration"]["N"] for item in log.items() if item["job"]["S"] != "key"}
    assert expirations == {str(1000 + 14 * 24 * 3600)}


def test_a_large_event_is_stored_and_says_so(log: Log) -> None:
    log.track(event("task.finished", {"execution": COOKIES, "names": ["é" * 100] * 5000}))

    (found,) = body(log.job(JOB))["events"]
    assert found["truncated"] is True
    assert found["detail"]["names"].startswith("(left out: ")


# -- Batches --------------------------------------------------------------------------------------


class Requests(list[str]):
    """The operations that were called on DynamoDB, in order."""


@pytest.fixture
def requests(log: Log, monkeypatch: pytest.MonkeyPatch) -> Requests:
    log.track(event("start", {}))  # reads the key
    requests = Requests()
    dynamodb = client("dynamodb", bulk=True)

    def count(name: str) -> None:
        call = getattr(dynamodb, name)

        def counted(**request: Any) -> Any:
            requests.append(name)
            return call(**request)

        monkeypatch.setattr(dynamodb, name, counted)

    for name in ("batch_write_item", "update_item", "put_item", "get_item"):
        count(name)
    return requests


def test_a_batch_is_stored_at_once_and_each_summary_updated_once(
    log: Log, requests: Requests
) -> None:
    log.track(
        status_change("RUNNING"),
        event("task.finished", {"execution": COOKIES}, identifier="e2", seconds=1),
        status_change("SUCCEEDED", seconds=2),
        status_change("RUNNING", "two"),
    )

    assert requests == ["batch_write_item", "update_item", "update_item"]
    assert {(job["id"], job["status"]) for job in body(log.jobs())["jobs"]} == {
        (JOB, "SUCCEEDED"),
        ("stepworks-test-cookies:two", "RUNNING"),
    }


@pytest.mark.parametrize(
    "invalid",
    ["", "{", "[]", "null", "{}", "[" * 100_000, '{"id": "x", "detail": {}}'],
    ids=["empty", "no JSON", "a list", "null", "no event", "too deep", "no source"],
)
def test_an_invalid_event_does_not_keep_others_from_being_recorded(log: Log, invalid: str) -> None:
    broken = {**message("broken"), "body": invalid}

    assert log.tracked(message(STARTED), broken, message(FINISHED)) == ["broken"]
    assert len(body(log.job(JOB))["events"]) == 2


def test_an_event_that_dynamodb_refuses_does_not_keep_others_from_being_recorded(log: Log) -> None:
    refused = event("task.finished", {}, identifier="x" * 2000)  # a sort key has 1,024 bytes

    assert log.tracked(message(STARTED), message(refused), message(FINISHED)) == [refused["id"]]
    assert len(body(log.job(JOB))["events"]) == 2


def test_more_events_than_dynamodb_takes_at_once_are_recorded(log: Log) -> None:
    log.track(
        *(event("task.finished", {"execution": COOKIES}, identifier=f"e{n}") for n in range(60))
    )

    assert len(body(log.job(JOB))["events"]) == 60


def test_events_that_dynamodb_leaves_out_are_stored_with_the_next_request(
    log: Log, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb", bulk=True)
    write = dynamodb.batch_write_item

    def takes_one(RequestItems: dict[str, list[Any]]) -> Any:
        first, *rest = RequestItems[TABLE]
        write(RequestItems={TABLE: [first]})
        return {"UnprocessedItems": {TABLE: rest} if rest else {}}

    monkeypatch.setattr(dynamodb, "batch_write_item", takes_one)
    monkeypatch.setattr(event_log, "_BACKOFF", lambda _: 0)

    log.track(STARTED, FINISHED)
    assert requests.count("batch_write_item") == 2
    assert len(body(log.job(JOB))["events"]) == 2


@pytest.mark.parametrize("operation", ["batch_write_item", "update_item"])
@pytest.mark.parametrize(("failures", "recorded"), [(2, True), (3, False)])
def test_what_dynamodb_does_not_take_is_tried_again_and_then_left_in_the_queue(
    log: Log,
    requests: Requests,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    failures: int,
    recorded: bool,
) -> None:
    dynamodb = client("dynamodb", bulk=True)
    call = getattr(dynamodb, operation)
    left = iter(range(failures))

    def throttled(**request: Any) -> Any:
        if next(left, None) is not None:
            raise client_error("ThrottlingException")
        return call(**request)

    monkeypatch.setattr(dynamodb, operation, throttled)
    monkeypatch.setattr(event_log, "_BACKOFF", lambda _: 0)
    failed = log.tracked(message(STARTED), message(FINISHED))

    assert failed == ([] if recorded else [STARTED["id"], FINISHED["id"]])
    assert log.tracked(message(STARTED), message(FINISHED)) == []
    assert listed(log, status="SUCCEEDED") == ["one"]


def test_a_summary_that_cannot_be_updated_holds_back_the_events_of_its_job_alone(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = client("dynamodb", bulk=True)
    update = dynamodb.update_item

    def refused(**request: Any) -> Any:
        if request["Key"]["job"]["S"] == JOB:
            raise client_error("AccessDeniedException")
        return update(**request)

    monkeypatch.setattr(dynamodb, "update_item", refused)
    other = status_change("RUNNING", "two")

    assert log.tracked(message(STARTED), message(other)) == [STARTED["id"]]
    assert listed(log) == ["two"]


def test_an_attempt_that_was_cut_off_is_completed_by_the_next(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is stored, and the function ends before it has updated the summary."""

    def killed(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client("dynamodb", bulk=True), "update_item", killed)
        with pytest.raises(KeyboardInterrupt):
            log.track(FINISHED)
    log.track(FINISHED)

    assert listed(log, status="SUCCEEDED") == ["one"]


def test_the_key_that_cannot_be_read_leaves_all_events_in_the_queue(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise client_error("ThrottlingException")

    monkeypatch.setattr(client("dynamodb", bulk=True), "get_item", throttled)

    with pytest.raises(AwsUnavailableError):
        log.track(STARTED)


# -- The order of recording -----------------------------------------------------------------------


def recorded_in_order(log: Log, hour: str) -> list[str]:
    items = log.dynamodb.query(
        TableName=TABLE,
        IndexName="byRecording",
        KeyConditionExpression="recordedHour = :hour",
        ExpressionAttributeValues={":hour": {"S": hour}},
    )["Items"]
    return [item["entry"]["S"].rpartition("#")[2] for item in items]


def test_an_index_has_the_events_in_the_order_in_which_they_were_recorded(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their own times are."""
    times = iter(range(SECONDS + 3598, SECONDS + 3602))
    monkeypatch.setattr(event_log, "now", lambda: next(times))
    for identifier, seconds in (("new", 50), ("old", 2), ("newest", 60), ("oldest", 1)):
        log.track(event("start", {}, identifier=identifier, seconds=seconds))

    assert recorded_in_order(log, "2026-01-31T12") == ["new", "old"]
    assert recorded_in_order(log, "2026-01-31T13") == ["newest", "oldest"]


def test_the_time_of_recording_is_that_of_the_attempt_that_stores_the_event(
    log: Log, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers look for what is new only a few seconds back."""
    dynamodb = client("dynamodb", bulk=True)
    write = dynamodb.batch_write_item
    times = iter([SECONDS, SECONDS + 3600])

    def throttled(**request: Any) -> Any:
        monkeypatch.setattr(dynamodb, "batch_write_item", write)
        raise client_error("ThrottlingException")

    monkeypatch.setattr(dynamodb, "batch_write_item", throttled)
    monkeypatch.setattr(event_log, "now", lambda: next(times))
    monkeypatch.setattr(event_log, "_BACKOFF", lambda _: 0)
    log.track(STARTED)

    assert recorded_in_order(log, "2026-01-31T13") == [STARTED["id"]]


# -- Listing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def items_of_many() -> list[dict[str, Any]]:
    """What is kept of `many`: recorded once, because recording takes longer than a test."""
    return []


@pytest.fixture
def many(log: Log, items_of_many: list[dict[str, Any]]) -> Log:
    """Twelve executions, one a second, of two workflows and three statuses."""
    for item in items_of_many:
        log.dynamodb.put_item(TableName=TABLE, Item=item)
    if not items_of_many:
        for number in range(12):
            workflow = ("cookies", "images")[number % 2]
            status = ("SUCCEEDED", "FAILED", "RUNNING")[number % 3]
            log.track(status_change(status, f"x{number}", workflow=workflow, seconds=number))
        items_of_many.extend(log.items())
    return log


def test_jobs_are_listed_newest_first(many: Log) -> None:
    assert listed(many) == [f"x{number}" for number in reversed(range(12))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"workflow": "cookies"}, [10, 8, 6, 4, 2, 0]),
        ({"status": "failed"}, [10, 7, 4, 1]),
        ({"status": "FAILED", "workflow": "images"}, [7, 1]),
        ({"before": "2026-01-31T12:00:03Z"}, [2, 1, 0]),
        ({"before": "2026-01-31T13:00:03+01:00", "status": "running"}, [2]),
        ({"workflow": "nothing"}, []),
        ({"status": ""}, [*reversed(range(12))]),
    ],
    ids=str,
)
def test_jobs_are_found_by_workflow_status_and_time(
    many: Log, query: dict[str, str], expected: list[int]
) -> None:
    assert listed(many, **query) == [f"x{number}" for number in expected]


def pages(request: Callable[..., Any], key: str, **query: str) -> list[list[Any]]:
    found = []
    while True:
        page = body(request(**query))
        found.append(page[key])
        if "nextToken" not in page:
            return found
        query["nextToken"] = page["nextToken"]


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("query", [{}, {"workflow": "cookies"}, {"status": "failed"}], ids=str)
def test_pages_together_are_the_list(many: Log, query: dict[str, str], limit: int) -> None:
    found = pages(many.jobs, "jobs", limit=str(limit), **query)

    assert all(len(page) <= limit for page in found)
    assert [job["id"].partition(":")[2] for page in found for job in page] == listed(many, **query)


def test_a_page_may_be_empty_although_there_are_more(
    many: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter may leave nothing of what a request may read."""
    monkeypatch.setattr(event_log, "_SUMMARIES_PER_PAGE", 1)
    monkeypatch.setattr(event_log, "_MAX_PAGES", 1)
    found = pages(many.jobs, "jobs", workflow="images", status="SUCCEEDED")

    assert [] in found
    assert [job["id"].partition(":")[2] for page in found for job in page] == ["x9", "x3"]


def test_pages_are_in_order_although_each_status_is_read_in_part(
    many: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_SUMMARIES_PER_PAGE", 1)
    monkeypatch.setattr(event_log, "_MAX_PAGES", 1)
    found = pages(many.jobs, "jobs", workflow="images")

    assert [job["id"].partition(":")[2] for page in found for job in page] == [
        f"x{number}" for number in (11, 9, 7, 5, 3, 1)
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"status": "done"}, "status must be one of RUNNING"),
        ({"before": "yesterday"}, "before must be an ISO 8601 time"),
        ({"before": "2026-01-31T12:00:00"}, "with a time zone"),
        ({"limit": "0"}, "from 1 to 100"),
        ({"limit": "101"}, "from 1 to 100"),
        ({"workflow": "a b"}, "workflow must be"),
        ({"nextToken": "x"}, "nextToken must be"),
    ],
)
def test_a_bad_parameter_is_named(log: Log, query: dict[str, str], says: str) -> None:
    assert says in body(log.jobs(**query), 400)["message"]


# -- One job --------------------------------------------------------------------------------------


def test_a_job_has_its_events_and_what_follows_from_them(log: Log) -> None:
    log.track(status_change("RUNNING"))
    asked = {"execution": COOKIES, "stateName": "Get Multiple", "TaskToken": "t", "input": {}}
    log.track(event("task.get.multiple", asked, seconds=1))
    found = body(log.job(JOB))

    assert (found["status"], found["workflow"]) == ("RUNNING", "cookies")
    assert [event["detailType"] for event in found["events"]][1] == "task.get.multiple"
    assert {(span["kind"], span["name"], span["outcome"]) for span in found["spans"]} == {
        ("execution", "stepworks-test-cookies", "waiting"),
        ("state", "cookies/Get Multiple", "waiting"),
        ("function", "getMultiple", "waiting"),
    }
    assert {edge["producer"] for edge in found["architecture"]} == {
        "machine stepworks-test-cookies",
        "state cookies/Get Multiple",
    }
    assert found["complete"] is True


def test_pages_of_a_job_together_are_the_job(log: Log) -> None:
    log.track(status_change("RUNNING"))
    for n in range(7):
        detail = {"execution": COOKIES, "stateName": "Process Single", "TaskToken": f"t{n}", "n": n}
        log.track(event("task.process.single", detail, identifier=f"e{n}", seconds=n + 1))
    whole = body(log.job(JOB))

    for key in ("events", "spans"):
        found = pages(lambda **query: log.job(JOB, **query), key, limit="3")
        assert [one for page in found for one in page] == whole[key]
        assert len(found) == 3


def test_a_job_that_is_too_large_to_read_says_so(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        detail = {"execution": COOKIES, "text": "x" * 300_000}
        log.track(event("task.finished", detail, identifier=f"e{number}"))
    monkeypatch.setattr(event_log, "_MAX_PAGES", 1)

    found = body(log.job(JOB))
    assert found["complete"] is False
    assert len(found["events"]) == 3


def test_a_response_stays_below_what_lambda_takes(log: Log) -> None:
    for number in range(16):
        detail = {"execution": COOKIES, "text": "x" * 340_000}
        log.track(event("task.finished", detail, identifier=f"e{number:02}"))
    first = log.job(JOB)

    assert len(first["body"]) < 6 * 2**20
    found = pages(lambda **query: log.job(JOB, **query), "events")
    assert [one["id"] for page in found for one in page] == [f"e{n:02}" for n in range(16)]


@pytest.mark.parametrize("identifier", [JOB, quote(JOB, safe="")], ids=["plain", "%3A"])
def test_the_id_may_come_encoded(log: Log, identifier: str) -> None:
    log.track(status_change("RUNNING"))

    assert body(log.job(identifier))["id"] == JOB


@pytest.mark.parametrize("identifier", [JOB, "key", "key:key", "", "a b:c", "x" * 3000, ":"])
def test_an_unknown_job_is_not_found(log: Log, identifier: str) -> None:
    log.track(event("start", {}))  # creates the stage's key

    body(log.job(identifier), 404)


@pytest.mark.parametrize("query", [{"limit": "1001"}, {"nextToken": "e30="}, {"nextToken": "ZTk="}])
def test_a_bad_parameter_of_a_job_is_named(log: Log, query: dict[str, str]) -> None:
    log.track(status_change("RUNNING"))

    assert next(iter(query)) in body(log.job(JOB, **query), 400)["message"]


@pytest.mark.parametrize("handler", ["jobs", "job"])
def test_a_passing_fault_of_dynamodb_is_a_503(
    log: Log, monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    def throttled(**_: Any) -> None:
        raise client_error("ThrottlingException")

    for operation in ("query", "get_item"):
        monkeypatch.setattr(client("dynamodb"), operation, throttled)
    response = log.jobs() if handler == "jobs" else log.job(JOB)

    assert "again later" in body(response, 503)["message"]


def test_other_errors_are_errors(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> None:
        raise client_error("AccessDeniedException")

    monkeypatch.setattr(client("dynamodb"), "query", denied)

    with pytest.raises(ClientError, match="AccessDenied"):
        log.jobs()


def test_every_status_of_step_functions_can_be_asked_for() -> None:
    model = client("stepfunctions").meta.service_model
    statuses = model.operation_model("DescribeExecution").output_shape.members["status"].enum

    assert set(statuses) <= set(event_log.EXECUTION_STATUSES)
