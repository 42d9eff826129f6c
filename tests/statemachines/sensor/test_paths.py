"""Every path of the sensor machine, on moto's engine."""

import json
from typing import Any

import pytest

from tests.support.aws_clients import aws_client
from tests.support.engine import Run, Task, fails, in_turn, run, succeeds, times_out
from tests.support.error_names import TRANSIENT

FILE = {"bucketName": "source", "objectKey": "day 1.csv", "versionId": "v1", "etag": "e", "size": 9}
SMALL = {"segmented": False, "size": 9}
INGESTION = {"stored": 7, "duplicates": 1, "rejected": 0, "sensors": 5, "etag": "e"}
MOVED = {"bucketName": "target", "objectKey": "processed/day 1.csv"}
QUARANTINED = {"moved": True, "bucketName": "target", "objectKey": "failed/day 1.csv"}
SENT = {"status": "sent", "messageId": "m"}
START = ["Plan Ingestion", "Is The File Large?", "Process File"]
AFTERWARDS = ["Move File", "Wait 10 Minutes", "Send Email"]
QUARANTINE_STATES = ["Quarantine File", "Send Failure Email", "Is It A Reserved Error?"]
FAILURE_STATES = [*QUARANTINE_STATES, "File Not Processed"]
FAILED_SEGMENT = {"Error": "SourceObjectChangedError", "Cause": '{"errorMessage": "changed"}'}
TASKS = {  # function: (its state, its result on success)
    "planIngestion": ("Plan Ingestion", SMALL),
    "indexSegment": ("Index Segments", {}),
    "reconcilePartition": ("Reconcile Duplicates", {}),
    "processSegment": ("Process Segments", {"complete": True}),
    "summarise": ("Summarise", INGESTION),
    "findFailedSegment": ("Find Failed Segment", FAILED_SEGMENT),
    "processFile": ("Process File", INGESTION),
    "moveFile": ("Move File", MOVED),
    "sendEmail": ("Send Email", SENT),
    "quarantineFile": ("Quarantine File", QUARANTINED),
    "sendFailureEmail": ("Send Failure Email", SENT),
    "sendMoveFailureEmail": ("Send Move Failure Email", SENT),
}
SEGMENT_STATES = ["Index Segments", "Reconcile Duplicates", "Process Segments", "Summarise"]
KILLED = ["Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout"]


def sensor(**tasks: Task) -> Run:
    """Run the machine; every task succeeds except as `tasks` says."""
    succeeding = {function: succeeds(output) for function, (_, output) in TASKS.items()}
    return run("sensor", FILE, succeeding | tasks)


def fails_before(function: str) -> dict[str, Task]:
    """The task that must fail for the machine to call this function."""
    large = {"planIngestion": plans(segments=1)}
    return {
        **dict.fromkeys(["indexSegment", "reconcilePartition", "processSegment"], large),
        "summarise": large,
        "findFailedSegment": large | {"indexSegment": fails("SourceObjectChangedError")},
        "quarantineFile": {"processFile": fails("NoValidReadingsError")},
        "sendFailureEmail": {"processFile": fails("NoValidReadingsError")},
        "sendMoveFailureEmail": {"moveFile": fails("SourceAccessDeniedError")},
    }.get(function, {})


def plans(segments: int) -> Task:
    """A plan with so many segments, and two partitions; it writes their lists to S3."""

    def plan(_: dict[str, Any]) -> dict[str, Any]:
        s3 = aws_client("s3")
        s3.create_bucket(Bucket="work")
        for key, count in (("segments", segments), ("partitions", min(2, segments))):
            items = [{"number": number} for number in range(count)]
            s3.put_object(Bucket="work", Key=key, Body=json.dumps(items))
        return {
            "segmented": True,
            "bucket": "work",
            "segmentList": "segments",
            "partitionList": "partitions",
        }

    return plan


def test_a_large_file_is_processed_in_segments() -> None:
    result = sensor(planIngestion=plans(segments=3))

    assert result.status == "SUCCEEDED"
    start = ["Plan Ingestion", "Is The File Large?"]
    assert result.visited == [*start, *SEGMENT_STATES, *AFTERWARDS]
    assert not result.events_of("processFile")
    for function in ("indexSegment", "processSegment"):
        events = result.events_of(function)
        assert sorted(event["segment"]["number"] for event in events) == [0, 1, 2]
    partitions = result.events_of("reconcilePartition")
    assert sorted(event["partition"]["number"] for event in partitions) == [0, 1]
    # The states after it are the same as for a small file.
    assert result.output["ingestion"] == INGESTION
    assert result.events_of("moveFile")[0] == {
        "execution": result.events_of("moveFile")[0]["execution"],
        "source": FILE,
        "ingestion": INGESTION,
    }


def test_every_child_execution_receives_the_execution_of_the_file() -> None:
    result = sensor(planIngestion=plans(segments=3))

    assert len({event["execution"] for _, event in result.calls}) == 1


def test_each_phase_begins_when_the_one_before_it_has_ended() -> None:
    result = sensor(planIngestion=plans(segments=3))

    order = ["indexSegment", "reconcilePartition", "processSegment", "summarise"]
    called = [function for function, _ in result.calls if function in order]
    assert called == sorted(called, key=order.index)


def test_a_segment_that_is_not_complete_is_continued() -> None:
    unfinished = {"complete": False, "line": 500}
    process = in_turn(succeeds(unfinished), succeeds({"complete": True}))

    result = sensor(planIngestion=plans(segments=1), processSegment=process)

    first, second = result.events_of("processSegment")
    assert result.status == "SUCCEEDED"
    assert "progress" not in first
    assert second == first | {"progress": unfinished}


def test_a_failed_segment_is_retried_alone() -> None:
    fails_once = in_turn(fails("Runtime.ExitError"), succeeds({"complete": True}))

    result = sensor(planIngestion=plans(segments=3), processSegment=fails_once)

    assert result.status == "SUCCEEDED"
    numbers = [event["segment"]["number"] for event in result.events_of("processSegment")]
    assert sorted(numbers.count(number) for number in range(3)) == [1, 1, 2]


@pytest.mark.parametrize("function", ["indexSegment", "reconcilePartition", "processSegment"])
def test_an_error_of_a_segment_is_the_error_of_the_execution(function: str) -> None:
    tasks = {"planIngestion": plans(segments=3), function: fails("SourceObjectChangedError")}

    result = sensor(**tasks)

    assert (result.status, result.error) == ("FAILED", "SourceObjectChangedError")
    assert result.visited[-5:] == ["Find Failed Segment", *FAILURE_STATES]
    found = result.events_of("findFailedSegment")[0]
    assert found["failure"]["Error"] == "States.ExceedToleratedFailureThreshold"
    assert result.events_of("sendFailureEmail")[0]["failure"] == FAILED_SEGMENT


def test_if_the_failed_segment_is_not_found_the_mail_has_the_error_of_the_map() -> None:
    result = sensor(
        planIngestion=plans(segments=1),
        indexSegment=fails("SourceObjectChangedError"),
        findFailedSegment=fails("AccessDenied"),
    )

    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    failure = result.events_of("sendFailureEmail")[0]["failure"]
    assert failure["Error"] == "States.ExceedToleratedFailureThreshold"


def test_the_results_of_many_segments_stay_out_of_the_state() -> None:
    result = sensor(planIngestion=plans(segments=200))

    assert max(result.sizes.values()) < 2_000


def test_a_file_that_cannot_be_planned_is_quarantined() -> None:
    result = sensor(planIngestion=fails("SourceObjectMissingError"))

    assert (result.status, result.error) == ("FAILED", "SourceObjectMissingError")
    assert result.visited == ["Plan Ingestion", *FAILURE_STATES]


def test_a_valid_file_is_processed_moved_and_reported_after_ten_minutes() -> None:
    result = sensor()

    assert result.status == "SUCCEEDED"
    assert result.visited == [*START, *AFTERWARDS]
    assert result.waits == [600]
    assert result.output == FILE | {
        "plan": SMALL,
        "ingestion": INGESTION,
        "moved": MOVED,
        "email": SENT,
    }


def test_every_task_receives_the_execution_and_the_file() -> None:
    result = sensor(processFile=succeeds(INGESTION), sendEmail=succeeds(SENT))

    for function, event in result.calls:
        assert event["source"] == FILE, function
        assert ":execution:" in event["execution"], function
    assert result.events_of("moveFile")[0]["ingestion"] == INGESTION
    assert result.events_of("sendEmail")[0]["moved"] == MOVED


def test_an_execution_started_by_hand_needs_only_bucket_and_key() -> None:
    manual_input = {"bucketName": "source", "objectKey": "day 1.csv"}
    tasks = {name: succeeds(output) for name, (_, output) in TASKS.items()}

    result = run("sensor", manual_input, tasks)

    assert result.status == "SUCCEEDED"
    assert result.events_of("processFile")[0]["source"] == manual_input


@pytest.mark.parametrize("error", ["SourceObjectMissingError", "IngestionTimeoutError"])
def test_a_file_that_cannot_be_processed_is_quarantined_and_reported(error: str) -> None:
    result = sensor(processFile=fails(error, "the reason"))

    assert result.status == "FAILED"
    assert result.error == error
    assert json.loads(result.cause or "")["errorMessage"] == "the reason"
    assert result.visited[-4:] == FAILURE_STATES
    event: dict[str, Any] = result.events_of("sendFailureEmail")[0]
    assert event["failure"]["Error"] == error
    assert event["quarantine"] == QUARANTINED
    assert event["startedAt"].startswith("20")
    assert len(result.events_of("processFile")) == 1  # a permanent error is not retried


@pytest.mark.parametrize(
    "move", [fails("SourceAccessDeniedError"), times_out], ids=["an-error", "a-timeout"]
)
def test_a_stored_file_that_cannot_be_moved_is_reported_and_not_quarantined(
    move: Task,
) -> None:
    result = sensor(moveFile=move)

    assert (result.status, result.error) == ("FAILED", "MoveFailedError")
    assert result.visited == [*START, "Move File", "Send Move Failure Email", "Move Failed"]
    event: dict[str, Any] = result.events_of("sendMoveFailureEmail")[0]
    assert event["ingestion"] == INGESTION
    assert event["failure"] == json.loads(result.cause or "")
    assert event["source"] == FILE
    assert event["startedAt"].startswith("20")


def test_when_the_move_failure_mail_fails_too_the_first_error_stays() -> None:
    result = sensor(
        moveFile=fails("SourceAccessDeniedError"), sendMoveFailureEmail=fails("MessageRejected")
    )

    assert (result.status, result.error) == ("FAILED", "MoveFailedError")
    assert json.loads(result.cause or "")["Error"] == "SourceAccessDeniedError"


def test_a_task_that_times_out_fails_the_execution() -> None:
    result = sensor(processFile=times_out)

    # Error names that begin with `States.` are reserved.
    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    assert json.loads(result.cause or "")["Error"] == "States.Timeout"
    assert result.visited[-4:] == [*QUARANTINE_STATES, "Task Stopped"]


@pytest.mark.parametrize("function", TASKS)
@pytest.mark.parametrize("error", KILLED)
def test_a_killed_function_is_called_again(function: str, error: str) -> None:
    attempts = 2 if function == "processFile" else 3  # of up to fifteen minutes
    recovers = in_turn(*[fails(error)] * (attempts - 1), succeeds(TASKS[function][1]))
    tasks = fails_before(function) | {function: recovers}

    assert len(sensor(**tasks).events_of(function)) == attempts
    if not fails_before(function):
        assert sensor(**tasks).status == "SUCCEEDED"

    tasks[function] = fails(error)
    assert len(sensor(**tasks).events_of(function)) == attempts


def test_quarantine_file_receives_the_start_time_of_the_execution() -> None:
    result = sensor(processFile=fails("NoValidReadingsError"))

    assert result.events_of("quarantineFile")[0]["startedAt"].startswith("20")


def test_a_report_that_cannot_be_sent_fails_the_execution_but_not_the_file() -> None:
    result = sensor(sendEmail=fails("MessageRejected", "not verified"))

    assert (result.status, result.error) == ("FAILED", "EmailNotSentError")
    assert json.loads(result.cause or "")["Error"] == "MessageRejected"
    assert result.visited[-2:] == ["Send Email", "Email Not Sent"]
    assert not result.events_of("quarantineFile")


@pytest.mark.parametrize(
    "send",
    [
        *(pytest.param(fails(name), id=name) for name in ["EmailOutcomeUnknownError", *KILLED]),
        pytest.param(fails("Lambda.ServiceException"), id="Lambda.ServiceException"),
        pytest.param(times_out, id="States.Timeout"),
    ],
)
def test_a_report_that_may_have_been_sent_is_an_unknown_outcome(send: Task) -> None:
    result = sensor(sendEmail=send)

    assert (result.status, result.error) == ("FAILED", "EmailOutcomeUnknownError")
    assert result.visited[-2:] == ["Send Email", "Email Outcome Unknown"]


def test_when_quarantining_fails_the_mail_reports_it_and_the_first_error_stays() -> None:
    result = sensor(
        processFile=fails("NoValidReadingsError", "first"), quarantineFile=fails("AccessDenied")
    )

    assert (result.status, result.error) == ("FAILED", "NoValidReadingsError")
    assert result.visited[-4:] == FAILURE_STATES
    assert result.events_of("sendFailureEmail")[0]["quarantine"]["Error"] == "AccessDenied"


def test_when_the_failure_mail_fails_too_the_first_error_stays() -> None:
    result = sensor(
        processFile=fails("NoValidReadingsError", "first"),
        sendFailureEmail=fails("MessageRejected"),
    )

    assert (result.status, result.error) == ("FAILED", "NoValidReadingsError")
    assert "first" in (result.cause or "")
    assert result.visited[-4:] == FAILURE_STATES
    assert result.events_of("quarantineFile")  # the file is moved before a mail is sent


@pytest.mark.parametrize("function", TASKS)
@pytest.mark.parametrize("error", TRANSIENT)
def test_a_transient_error_is_retried(function: str, error: str) -> None:
    state, output = TASKS[function]
    recovers = in_turn(fails(error), fails(error), succeeds(output))

    result = sensor(**fails_before(function), **{function: recovers})

    assert len(result.events_of(function)) == 3
    assert result.visited.count(state) == 1
    assert len(result.retries) == 2
    if not fails_before(function):
        assert result.status == "SUCCEEDED"


@pytest.mark.parametrize("function", TASKS)
def test_the_number_of_retries_is_limited(function: str) -> None:
    result = sensor(**fails_before(function), **{function: fails("AwsUnavailableError")})

    assert len(result.events_of(function)) == 6  # the first attempt and five retries
    assert result.status == "FAILED"


@pytest.mark.parametrize("function", TASKS)
def test_throttled_functions_are_retried_more_often(function: str) -> None:
    throttled = fails("Lambda.TooManyRequestsException")

    result = sensor(**fails_before(function), **{function: throttled})

    assert len(result.events_of(function)) == 11


def test_an_unverified_copy_is_retried() -> None:
    result = sensor(moveFile=fails("CopyVerificationError"))

    assert len(result.events_of("moveFile")) == 6
    assert json.loads(result.cause or "")["Error"] == "CopyVerificationError"


def test_an_unverified_copy_to_quarantine_is_retried() -> None:
    result = sensor(
        processFile=fails("NoValidReadingsError"), quarantineFile=fails("CopyVerificationError")
    )

    assert len(result.events_of("quarantineFile")) == 6
