"""The local AWS keeps the newest executions, events, mails, logs and data points, not all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import cloudwatch, eventbridge, lambda_svc, ses, ses_v2
from ministack.services import cloudwatch_logs as logs
from ministack.services import stepfunctions as sfn

from local.gaps import newest_only, task_tokens
from tests.integration.local.conftest import Run

KEEP, MANY = 20, 60
PASS = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores of this test's own, without the gap."""
    monkeypatch.setattr(newest_only, "keep", KEEP)
    monkeypatch.setenv("STEPWORKS_KEEP", str(KEEP))
    for module, name in (
        (sfn, "_executions"),
        (sfn, "_map_runs"),
        (eventbridge, "_events_log"),
        (ses, "_sent_emails"),
        (cloudwatch, "_metrics"),
        (logs, "_log_groups"),
    ):
        monkeypatch.setattr(module, name, type(getattr(module, name))())
    for module, name in (
        (eventbridge, "_events_log_list"),
        (ses, "_sent_emails_list"),
        (ses_v2, "_sent_emails_list"),
        (cloudwatch, "_metric_bucket"),
        (lambda_svc, "_emit_lambda_logs"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def filled(stores: None) -> None:
    newest_only.install()


def start(number: int, status: str = "SUCCEEDED", map_run: str | None = None) -> str:
    """Add an execution as `_start_execution` does, with its status."""
    arn = f"arn:aws:states:us-east-1:000000000000:execution:machine:{number}"
    sfn._executions[arn] = {
        "executionArn": arn,
        "status": status,
        "stopDate": None if status == "RUNNING" else date(number),
        "mapRunArn": map_run,
    }
    return arn


def date(number: int) -> str:
    return f"2100-01-01T00:{number // 60:02}:{number % 60:02}.000Z"


def put_event(number: int) -> None:
    entry = {"Source": "test", "DetailType": "test", "Detail": json.dumps({"number": number})}
    status, _, _ = eventbridge._put_events({"Entries": [entry]})
    assert status == 200


def send_mail(number: int) -> None:
    ses._verify_email_identity({"EmailAddress": ["a@example.com"]})
    status, _, body = ses._send_email(
        {
            "Source": ["a@example.com"],
            "Destination.ToAddresses.member.1": ["b@example.com"],
            "Message.Subject.Data": [str(number)],
            "Message.Body.Text.Data": ["text"],
        }
    )
    assert status == 200, body


def invoke(number: int) -> None:
    function = {"config": {"FunctionName": "function", "Version": "$LATEST"}}
    lambda_svc._emit_lambda_logs(function, str(number), "", False, 1)


def measure(number: int) -> None:
    cloudwatch.record_metric("Test", "Number", number)


def events() -> list[str]:
    return [json.loads(event["Detail"])["number"] for event in eventbridge._events_log["entries"]]


def mails() -> list[int]:
    return [int(mail["Subject"]) for mail in ses._sent_emails["entries"]]


def invocations() -> list[int]:
    streams = logs._log_groups["/aws/lambda/function"]["streams"].values()
    return [int(stream["events"][0]["message"].split()[2]) for stream in streams]


def measured() -> list[int]:
    (points,) = cloudwatch._metrics.values()
    return [int(point["Value"]) for point in points]


def executions() -> list[int]:
    return [int(arn.rpartition(":")[2]) for arn in sfn._executions]


Records = tuple[Callable[[int], Any], Callable[[], list[Any]]]
STORES = {
    "executions": (start, executions),
    "events": (put_event, events),
    "mails": (send_mail, mails),
    "logs": (invoke, invocations),
    "metrics": (measure, measured),
}


@pytest.mark.parametrize("records", STORES.values(), ids=STORES)
def test_upstream_still_keeps_everything(records: Records) -> None:
    """When this fails, ministack's memory is bounded, and local/gaps/newest_only.py can go."""
    add, read = records

    for number in range(MANY):
        add(number)

    assert read() == list(range(MANY))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("records", STORES.values(), ids=STORES)
def test_the_newest_are_kept(records: Records) -> None:
    add, read = records

    for number in range(MANY):
        add(number)

    found = read()
    assert KEEP <= len(found) <= KEEP + newest_only._slack() + 1
    assert found == list(range(MANY - len(found), MANY))


@pytest.mark.usefixtures("filled")
def test_running_executions_stay_and_do_not_count() -> None:
    running = [start(number, "RUNNING") for number in range(MANY)]

    for number in range(MANY, 3 * MANY):
        start(number)

    assert set(running) < set(sfn._executions)
    ended = executions()[MANY:]
    assert KEEP <= len(ended) <= KEEP + newest_only._slack() + 1
    assert ended == list(range(3 * MANY - len(ended), 3 * MANY))


@pytest.mark.usefixtures("filled")
def test_an_execution_counts_from_its_end() -> None:
    """One that took long has not ended before all that started later."""
    long = start(0, "RUNNING")
    for number in range(1, MANY):
        start(number)
    sfn._executions[long].update(status="SUCCEEDED", stopDate=date(MANY))

    start(MANY + 1)
    start(MANY + 2)

    assert long in sfn._executions
    assert len(sfn._executions) <= KEEP + newest_only._slack() + 1


@pytest.mark.usefixtures("filled")
def test_children_stay_as_long_as_their_map_run_is_running() -> None:
    sfn._map_runs["run"] = run = {
        "mapRunArn": "run",
        "executionArn": start(0, "RUNNING"),
        "status": "RUNNING",
    }
    children = [start(number, map_run="run") for number in range(1, MANY)]

    assert set(children) < set(sfn._executions)

    run["status"] = "SUCCEEDED"
    sfn._executions[run["executionArn"]].update(status="SUCCEEDED", stopDate=date(MANY))
    for number in range(MANY, 3 * MANY):
        start(number)

    assert not set(children) & set(sfn._executions)
    assert list(sfn._map_runs) == []


@pytest.mark.usefixtures("filled")
def test_an_execution_that_is_kept_has_its_history_and_one_that_is_gone_does_not_exist(
    run: Run,
) -> None:
    arns = [run(PASS)["executionArn"] for _ in range(3)]
    assert json.loads(sfn._get_execution_history({"executionArn": arns[0]})[2])["events"]

    for number in range(MANY):
        start(number)

    status, _, body = sfn._get_execution_history({"executionArn": arns[0]})
    assert (status, json.loads(body)["__type"]) == (400, "ExecutionDoesNotExist")


def test_task_tokens_that_nobody_waits_for_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {str(number): "machine" for number in range(MANY)}
    monkeypatch.setattr(task_tokens, "_owners", owners)
    monkeypatch.setitem(sfn._task_tokens, "0", {})

    task_tokens._forget_old_tokens(KEEP)

    assert set(owners) == {"0", *map(str, range(MANY - KEEP, MANY))}
