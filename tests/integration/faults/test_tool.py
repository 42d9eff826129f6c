"""The tool itself: a fault in the service breaks a promise, and nothing is overlooked."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from console import aws
from faults import coverage, machines, matrix, person, report, runner, stack
from faults.__main__ import problems
from faults.address import Call, Case, Fault
from faults.kinds import Kind, Times
from faults.report import Report
from faults.runner import Row
from faults.virtual_time import Timeline
from faults.world import machinery
from handlers.observability.event_log import EventLog
from handlers.shared.email_log import EmailLog


@pytest.fixture(scope="module", autouse=True)
def entered() -> Iterator[None]:
    with machinery():
        yield


def case(workflow: str, scenario: str, call: str, kind: Kind, times: Times = Times.ONCE) -> Case:
    return Case(workflow, scenario, (Fault(Call.parse(call), kind, times),))


def with_definition(
    machine: str, change: Callable[[dict[str, Any]], None]
) -> AbstractContextManager[Any]:
    """A machine whose definition has a fault."""
    changed = copy.deepcopy(stack.definition(machine))
    change(changed["States"])
    original = stack.definition

    def definition(name: str) -> dict[str, Any]:
        return changed if name == machine else original(name)

    machines.definition_text.cache_clear()
    return patch.object(stack, "definition", definition)


@pytest.fixture(autouse=True)
def own_definitions() -> Iterator[None]:
    yield
    machines.definition_text.cache_clear()


def without_retry(state: str) -> Callable[[dict[str, Any]], None]:
    return lambda states: states[state].pop("Retry")


def any_name(states: dict[str, Any]) -> None:
    parameters = states["Start Execution"]["Parameters"]
    del parameters["Name.$"]
    parameters["Name.$"] = "States.UUID()"


def claim_without_recognition(log: EmailLog, claim: Any) -> None:
    """As before decision 0033: an attempt takes its own record for that of another one."""
    log._dynamodb.put_item(
        TableName=log._table,
        Item={
            "id": {"S": claim.record_id},
            "status": {"S": "INPROGRESS"},
            "attempt": {"S": claim.attempt},
        },
        ConditionExpression="attribute_not_exists(id)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


_record = EventLog.record


def record_without_reporting_failures(log: EventLog, records: Any, *, days: int) -> list[Any]:
    _record(log, records, days=days)
    return []


MUTATIONS = {
    "sensor": (
        lambda: with_definition("sensor", without_retry("Move File")),
        case("sensor", "processed", "moveFile#1 s3:DeleteObject#1", Kind.KILLED_BEFORE),
    ),
    "messages": (
        lambda: with_definition("messages", without_retry("Keep Message")),
        case(
            "messages",
            "malformed",
            "messages/Keep Message#1 sqs:SendMessage#1",
            Kind.THROTTLED,
        ),
    ),
    "images": (
        lambda: with_definition("images", without_retry("Record Downloads")),
        case("images", "all there", "recordDownloads#1 s3:GetObject#1", Kind.KILLED_BEFORE),
    ),
    "signature": (
        lambda: patch.object(EmailLog, "_put", claim_without_recognition),
        case("signature", "signed", "requestDocumentSignature#1 dynamodb:PutItem#1", Kind.LOST),
    ),
    "observability": (
        lambda: patch.object(EventLog, "record", record_without_reporting_failures),
        case(
            "observability",
            "recorded",
            "trackEvent#1 dynamodb:BatchWriteItem#1",
            Kind.UNAVAILABLE,
            Times.EVER,
        ),
    ),
    "cookies": (
        lambda: with_definition("cookies-starter", any_name),
        case("cookies", "counted", "rule:CookiesStartRule:cookies-starter#1 deliver#1", Kind.TWICE),
    ),
    "console": (
        lambda: patch.object(aws, "may_have_taken_effect", lambda _: False),
        case(
            "console",
            "stop",
            "console.run.stop#1 stepfunctions:StopExecution#1",
            Kind.LOST,
            Times.CALL,
        ),
    ),
}


@pytest.mark.parametrize("workflow", stack.WORKFLOWS)
def test_a_fault_of_the_service_breaks_a_promise(workflow: str) -> None:
    mutated, with_fault = MUTATIONS[workflow]

    with mutated():
        row = runner.run(with_fault)

    assert row.verdict == "failed"
    assert row.broken


@pytest.mark.parametrize("workflow", stack.WORKFLOWS)
def test_without_that_fault_the_same_case_holds(workflow: str) -> None:
    _, with_fault = MUTATIONS[workflow]

    assert runner.run(with_fault).verdict == "held"


def test_a_case_is_replayed_by_its_line() -> None:
    written = Case(
        "sensor",
        "not processed",
        (
            Fault(Call("sensor/Send Failure Email", 2, "lambda:Invoke", 1), Kind.SLOW),
            Fault(Call("moveFile", 1, "s3:HeadObject", 4), Kind.KILLED_AFTER, Times.EVER),
        ),
    )

    assert Case.parse(str(written)) == written


def test_a_fault_that_happens_to_no_call_fails_the_case() -> None:
    row = runner.run(case("messages", "posted", "recordMessage#7 dynamodb:PutItem#1", Kind.LOST))

    assert row.verdict == "failed"
    assert row.broken == ("the fault did not happen: no such call was made",)


def test_a_call_that_no_scenario_makes_is_reported() -> None:
    clean = matrix.run(Case("messages", "malformed"))

    found = coverage.unreached("messages", set(clean.calls))

    assert "function publishMessage" in found
    assert "state messages/Look Up Record" in found
    assert "store.py put_item" in found


def test_a_call_that_a_role_allows_and_its_function_never_makes_is_reported() -> None:
    clean = matrix.run(Case("messages", "posted"))

    assert "function recordMessage states:SendTaskFailure" in coverage.unreached(
        "messages", set(clean.calls)
    )


def test_a_write_action_of_the_console_that_nobody_uses_is_reported() -> None:
    clean = matrix.run(Case("console", "put"))

    found = coverage.unreached("console", set(clean.calls))

    assert "action console.run.redrive" in found
    assert "run.py redrive_execution" in found
    assert "dead_letters.py delete_message" in found
    assert "action console.events.put" not in found


@pytest.mark.parametrize(
    ("scenario", "told"),
    [("rerun", "done"), ("put", "unknown"), ("letter of a function", "done")],
)
def test_what_is_wrong_in_an_answer_of_the_console_is_noticed(scenario: str, told: str) -> None:
    """The person is told that it is done, or not done, and the opposite is so."""
    outcome = property(lambda answer: "not done" if answer.status == 200 else told)

    with patch.object(person.Answer, "outcome", outcome):
        row = matrix.run(Case("console", scenario))

    assert row.broken


def test_wrong_ages_of_callbacks_are_noticed() -> None:
    with patch("handlers.observability.measure_callbacks.oldest_callback", lambda *_, **__: 0.0):
        outcome = matrix.run(Case("observability", "executions"))

    assert outcome.broken == ("the oldest callback is said to be [0.0] s old",)


def test_a_wrong_status_of_an_execution_is_noticed() -> None:
    described = {"status": "SUCCEEDED"}
    with patch("handlers.observability.get_execution.describe", lambda _: described):
        outcome = matrix.run(Case("observability", "executions"))

    assert "getExecution says that the execution waiting is SUCCEEDED" in outcome.broken


def test_a_call_that_no_case_lets_fail_is_reported() -> None:
    clean = replace(runner.clean_run("messages", "posted"), cases=())
    made = Report([clean], [], [], seed=1, seconds=1)

    assert "messages: no case lets publishMessage events:PutEvents fail" in problems(
        made, complete=False
    )


def test_the_rest_of_a_batch_is_refused() -> None:
    partly = case(
        "observability", "recorded", "trackEvent#1 dynamodb:BatchWriteItem#1", Kind.PARTLY
    )

    outcome = matrix.run(partly)

    stored = [call for call in outcome.calls if call.operation == "dynamodb:BatchWriteItem"]
    assert len([call for call in stored if call.invocation == 1]) == 2
    assert outcome.broken == ()


def test_a_part_of_the_matrix_is_completed_by_stored_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    clean = runner.clean_run("messages", "malformed")
    first, second, *_ = clean.cases
    clean = replace(clean, cases=(first, second))
    before = [Row(first, "A", "held", ()), Row(second, "B", "failed", ("a promise",))]
    report.write_json(Report([clean], before, [], seed=1, seconds=10))

    made = report.with_stored_results(
        Report([clean], [Row(second, "C", "held", ())], [], seed=2, seconds=1)
    )

    assert [(row.case, row.ended) for row in made.rows] == [(first, "A"), (second, "C")]
    assert (made.seed, made.seconds, made.is_complete) == (1, 11, True)


@pytest.mark.parametrize(
    ("minutes", "seconds", "starts_after"),
    [(0, 0, 60), (0, 59, 60), (1, 1, 61), (30, 0, 1800), (58, 59, 3539), (59, 59, 3540)],
)
def test_no_case_is_at_a_full_hour(
    monkeypatch: pytest.MonkeyPatch, minutes: int, seconds: int, starts_after: int
) -> None:
    """The console reads the event log by the hour: its calls there would be others."""
    hour = 500_000 * 3600.0
    monkeypatch.setattr("time.time", lambda: hour + minutes * 60 + seconds)

    timeline = Timeline()

    assert (timeline.now, timeline.elapsed) == (hour + starts_after, 0)
