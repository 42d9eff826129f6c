"""A run as its history tells it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.definition import parse
from console.history import History
from tests.unit.console.recorded import NAMES, Events, recorded

STATUSES = {"running", "waiting", "succeeded", "caught", "failed", "cancelled", "notReached"}


def states(name: str) -> dict[str, dict[str, Any]]:
    return recorded(name).history.summaries()


def statuses(summaries: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {node: one["status"] for node, one in summaries.items() if one["visits"]}


def assert_valid(history: History) -> None:
    """What holds at every moment of every run."""
    found = history.summaries()
    edges = {(edge["from"], edge["to"]) for edge in history.definition.graph()["edges"]}
    assert set(found) == {node["id"] for node in history.definition.graph()["nodes"]}
    for node, one in found.items():
        assert one["status"] in STATUSES
        assert (one["status"] == "notReached") == (one["visits"] == 0)
        assert {(node, target) for target in one["taken"]} <= edges
        if history.status != "RUNNING":
            assert one["status"] not in ("running", "waiting")
        if one["map"]:
            counts = dict(one["map"])
            assert min(counts.values()) >= 0
            assert counts.pop("total") == sum(counts.values())
    assert bool(history.current()) <= (history.status == "RUNNING")
    json.dumps(found)


# -- Recorded on the local AWS --------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_its_end_is_the_executions(name: str) -> None:
    run = recorded(name)

    assert run.history.status == run.execution["status"]
    assert run.history.output == (
        run.execution.get("output") if run.execution["status"] == "SUCCEEDED" else None
    )
    assert run.history.error == run.execution.get("error")


@pytest.mark.parametrize("name", NAMES)
def test_every_beginning_of_a_history_is_a_valid_run(name: str) -> None:
    run = recorded(name)
    history = History(run.definition)
    step = max(1, len(run.events) // 60)

    for number, event in enumerate(run.events):
        history.add(event)
        if number % step == 0 or number == len(run.events) - 1:
            assert_valid(history)


@pytest.mark.parametrize("name", NAMES)
def test_every_state_that_was_entered_is_visited_as_often(name: str) -> None:
    run = recorded(name)
    entered: dict[str, int] = {}
    for event in run.events:
        if event["type"].endswith("StateEntered"):
            state = event["stateEnteredEventDetails"]["name"]
            entered[state] = entered.get(state, 0) + 1

    visited: dict[str, int] = {}
    for visit in run.history.visits:
        visited[visit.node.name] = visited.get(visit.node.name, 0) + 1

    assert visited == entered


def test_one_branch_waits_for_a_callback_while_the_other_is_done() -> None:
    found = states("signature-waiting")

    assert statuses(found) == {
        "$start": "succeeded",
        "Is It A Document?": "succeeded",
        "Identify Document": "succeeded",
        "Gather Signatures": "running",
        "Gather Signatures/0/Alice Signature": "succeeded",
        "Gather Signatures/0/Alice Signed": "succeeded",
        "Gather Signatures/1/Bob Signature": "waiting",
    }
    bob = found["Gather Signatures/1/Bob Signature"]
    assert bob["timesOutAt"] - bob["waitingSince"] == 3_600_000
    history = recorded("signature-waiting").history
    assert [visit.node.name for visit in history.current()] == ["Bob Signature"]


def test_a_stopped_run_has_cancelled_what_was_open() -> None:
    found = statuses(states("signature-stopped"))

    assert found["Gather Signatures"] == "cancelled"
    assert found["Gather Signatures/1/Bob Signature"] == "cancelled"
    assert found["Gather Signatures/0/Alice Signature"] == "succeeded"
    assert "$end" not in found


def test_a_run_that_timed_out_failed_where_it_was() -> None:
    history = recorded("timed-out").history

    assert (history.status, history.error) == ("TIMED_OUT", "States.Timeout")
    assert statuses(history.summaries())["Wait"] == "failed"
    failed = history.failed_visit()
    assert failed is not None
    assert failed.node.name == "Wait"


def test_retries_are_attempts_and_the_error_was_caught() -> None:
    history = recorded("retried-and-caught").history
    found = history.summaries()

    assert found["Ask"]["status"] == "caught"
    assert found["Ask"]["attempts"] == 3
    assert found["Ask"]["taken"] == ["Say Sorry"]
    assert found["Say Sorry"]["status"] == "succeeded"
    assert [attempt.status for attempt in history.visits_of("Ask")[0].attempts] == ["failed"] * 3
    assert found["Ask"]["error"] == history.visits_of("Ask")[0].attempts[-1].error


def test_retries_that_do_not_help_fail_the_run() -> None:
    history = recorded("retried-and-failed").history

    assert statuses(history.summaries())["Ask"] == "failed"
    failed = history.failed_visit()
    assert failed is not None
    assert (failed.node.name, failed.error) == ("Ask", history.error)


def test_a_failed_item_fails_its_map() -> None:
    history = recorded("map-failed").history
    found = history.summaries()

    assert statuses(found)["Each"] == "failed"
    assert found["Each/Ask"]["status"] == "failed"
    assert found["Each"]["map"]["total"] == 6
    assert found["Each"]["map"]["failed"] == 3
    assert found["Done"]["status"] == "notReached"
    failed = history.failed_visit()
    assert failed is not None
    assert failed.node.name == "Ask"


def test_a_parallel_with_a_map_inside_a_maps_item() -> None:
    history = recorded("map-with-caught-items").history
    found = history.summaries()

    assert found["Each"]["map"] == {
        "total": 6,
        "succeeded": 6,
        "failed": 0,
        "running": 0,
        "cancelled": 0,
        "pending": 0,
    }
    assert found["Each/Ask"]["status"] == "caught"
    assert found["Each/Ask"]["taken"] == ["Each/Left Out"]
    assert found["Each/Both/1/Each Letter/Letter"]["visits"] == 0 + 2 + 1
    letters = history.visits_of("Each/Both/1/Each Letter/Letter")
    assert {tuple(name for name, _ in visit.inside.path()) for visit in letters} == {
        ("Each", "Each/Both", "Each/Both/1/Each Letter")
    }


def test_the_error_of_a_branch_is_caught_by_its_parallel() -> None:
    found = states("parallel-caught")

    assert found["Both"]["status"] == "caught"
    assert found["Both"]["error"] == "BadError"
    assert found["Both/1/Bad"]["status"] == "failed"
    assert "Mend" in found["Both"]["taken"]
    assert found["Mend"]["status"] == found["Done"]["status"] == "succeeded"


def test_a_loop_visits_a_state_again() -> None:
    found = states("looping")

    assert found["Count"]["visits"] == found["Enough?"]["visits"] == 3
    assert set(found["Enough?"]["taken"]) == {"Count", "Done"}


def test_items_that_wait_are_running_and_the_others_pending() -> None:
    found = states("map-waiting")

    assert found["Each/Ask"]["status"] == "waiting"
    assert found["Each/Ask"]["timesOutAt"] is None
    assert found["Each"]["map"]["running"] == 2
    assert found["Each"]["map"]["pending"] == 2


def test_a_failed_run_names_the_state_and_the_path_ends_in_fail() -> None:
    history = recorded("messages-refused").history
    found = history.summaries()

    assert found["Check Message"]["status"] == "caught"
    assert found["Job Failed"]["status"] == found["$end"]["status"] == "failed"
    assert found["Job Failed"]["taken"] == ["$end"]


# -- As AWS documents it --------------------------------------------------------------------------

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:resize"
LAMBDA = {
    "StartAt": "Resize",
    "States": {
        "Resize": {
            "Type": "Task",
            "Resource": FUNCTION,
            "Retry": [{"ErrorEquals": ["BusyError"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
            "End": True,
        },
        "Sorry": {"Type": "Pass", "End": True},
    },
}


def aws_start(definition: dict[str, Any], kind: str) -> Events:
    events = Events()
    events("ExecutionStarted", 0, input="{}", roleArn="arn:aws:iam::123456789012:role/r")
    events(f"{kind}StateEntered", 0, name=definition["StartAt"], input="{}")
    return events


def test_a_function_in_the_queue_is_running_and_its_start_is_known() -> None:
    events = aws_start(LAMBDA, "Task")
    events("LambdaFunctionScheduled", resource=FUNCTION, input='{"n": 1}', timeoutInSeconds=9)
    events("LambdaFunctionStarted")

    history = History.of(parse(LAMBDA), events)

    visit = history.visits[0]
    assert visit.status == "running"
    attempt = visit.attempts[0]
    assert attempt.parameters == '{"n": 1}'
    assert attempt.started_at == attempt.scheduled_at + 1000
    assert visit.times_out_at() == attempt.scheduled_at + 9000


def test_a_functions_error_is_retried_then_caught() -> None:
    events = aws_start(LAMBDA, "Task")
    for error in ("BusyError", "BusyError"):
        events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
        events("LambdaFunctionStarted")
        events("LambdaFunctionFailed", error=error, cause='{"requestId": "abc"}')
    events("TaskStateExited", name="Resize", output="{}")
    events("PassStateEntered", name="Sorry", input="{}")
    events("PassStateExited", name="Sorry", output="{}")
    events("ExecutionSucceeded", output="{}")

    history = History.of(parse(LAMBDA), events)

    assert statuses(history.summaries()) == {
        "$start": "succeeded",
        "Resize": "caught",
        "Sorry": "succeeded",
        "$end": "succeeded",
    }
    assert [attempt.n for attempt in history.visits[0].attempts] == [1, 2]
    assert history.visits[0].attempts[0].request_id == "abc"
    assert_valid(history)


def test_a_functions_timeout_has_its_error() -> None:
    events = aws_start(LAMBDA, "Task")
    events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
    events("LambdaFunctionTimedOut")

    visit = History.of(parse(LAMBDA), events).visits[0]

    assert visit.attempts[0].error == "States.Timeout"


CALLBACK = {
    "StartAt": "Approve",
    "States": {
        "Approve": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {"FunctionName": FUNCTION, "Payload": {"id.$": "$$.Task.Token"}},
            "End": True,
        }
    },
}


def test_a_task_waits_since_the_call_was_submitted() -> None:
    events = aws_start(CALLBACK, "Task")
    events(
        "TaskScheduled",
        resourceType="lambda",
        resource="invoke.waitForTaskToken",
        region="eu-west-1",
        parameters=json.dumps({"FunctionName": FUNCTION, "Payload": {"id": "AQC" * 99}}),
        timeoutInSeconds=60,
    )
    events("TaskStarted", resourceType="lambda", resource="invoke.waitForTaskToken")
    submitted = events(
        "TaskSubmitted",
        resourceType="lambda",
        resource="invoke.waitForTaskToken",
        output=json.dumps({"SdkResponseMetadata": {"RequestId": "r-1"}}),
    )

    visit = History.of(parse(CALLBACK), events).visits[0]

    assert visit.status == "waiting"
    assert visit.waiting_since == 1000 * (1_800_000_000 + submitted)
    assert visit.attempts[0].request_id == "r-1"
    assert visit.attempts[0].resource == "lambda:invoke.waitForTaskToken"


MAP = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "One",
                "States": {
                    "One": {"Type": "Pass", "Next": "Two"},
                    "Two": {"Type": "Task", "Resource": FUNCTION, "End": True},
                },
            },
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Sorry"}],
            "End": True,
        },
        "Sorry": {"Type": "Pass", "End": True},
    },
}


def test_a_maps_iterations_have_events_of_their_own() -> None:
    """Interleaved, as AWS writes them: what belongs to which item says `previousEventId`."""
    events = aws_start(MAP, "Map")
    started = events("MapStateStarted", length=3)
    first = events("MapIterationStarted", started, name="Each", index=0)
    second = events("MapIterationStarted", started, name="Each", index=1)
    one_of_first = events("PassStateEntered", first, name="One", input='"a"')
    one_of_second = events("PassStateEntered", second, name="One", input='"b"')
    left_second = events("PassStateExited", one_of_second, name="One", output='"b"')
    left_first = events("PassStateExited", one_of_first, name="One", output='"a"')
    two_of_second = events("TaskStateEntered", left_second, name="Two", input='"b"')
    two_of_first = events("TaskStateEntered", left_first, name="Two", input='"a"')
    failing = events("LambdaFunctionScheduled", two_of_second, resource=FUNCTION, input='"b"')
    failed = events("LambdaFunctionFailed", failing, error="BadError", cause="b")

    history = History.of(parse(MAP), events)
    assert history.summaries()["Each"]["map"] == {
        "total": 3,
        "succeeded": 0,
        "failed": 1,
        "running": 1,
        "cancelled": 0,
        "pending": 1,
    }
    assert_valid(history)

    ended = events("MapIterationFailed", failed, name="Each", index=1)
    events("MapIterationAborted", two_of_first, name="Each", index=0)
    map_failed = events("MapStateFailed", ended)
    left_map = events("MapStateExited", map_failed, name="Each", output="{}")
    events("PassStateEntered", left_map, name="Sorry", input="{}")

    history = History.of(parse(MAP), events)
    found = history.summaries()
    assert statuses(found) == {
        "$start": "succeeded",
        "Each": "caught",
        "Each/One": "succeeded",
        "Each/Two": "failed",
        "Sorry": "running",
    }
    assert found["Each"]["map"]["failed"] == found["Each"]["map"]["total"] - 2 == 1
    items = history.visits[0].current()
    assert {index: inside.status for index, inside in items.items()} == {
        0: "cancelled",
        1: "failed",
    }
    assert {index: inside.input for index, inside in items.items()} == {0: '"a"', 1: '"b"'}
    assert_valid(history)


PARALLEL = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "End": True}}},
                {
                    "StartAt": "Right",
                    "States": {"Right": {"Type": "Task", "Resource": FUNCTION, "End": True}},
                },
            ],
            "Retry": [{"ErrorEquals": ["States.ALL"]}],
            "End": True,
        }
    },
}


def test_a_parallel_that_is_retried_begins_its_branches_again() -> None:
    events = aws_start(PARALLEL, "Parallel")
    started = events("ParallelStateStarted")
    left = events("PassStateEntered", started, name="Left", input="{}")
    events("PassStateExited", left, name="Left", output="{}")
    right = events("TaskStateEntered", started, name="Right", input="{}")
    scheduled = events("LambdaFunctionScheduled", right, resource=FUNCTION, input="{}")
    failed = events("LambdaFunctionFailed", scheduled, error="BadError", cause="bad")
    again = events("ParallelStateStarted", failed)
    left = events("PassStateEntered", again, name="Left", input="{}")
    right = events("TaskStateEntered", again, name="Right", input="{}")

    history = History.of(parse(PARALLEL), events)

    assert statuses(history.summaries()) == {
        "$start": "succeeded",
        "Both": "running",
        "Both/0/Left": "running",
        "Both/1/Right": "running",
    }
    assert len(history.visits[0].rounds) == 2
    assert_valid(history)


def test_an_aborted_run_and_its_states() -> None:
    events = aws_start(LAMBDA, "Task")
    events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
    events("TaskStateAborted")
    events("ExecutionAborted", error="Stopped", cause="by hand")

    history = History.of(parse(LAMBDA), events)

    assert statuses(history.summaries()) == {"$start": "succeeded", "Resize": "cancelled"}
    assert (history.status, history.error, history.cause) == ("ABORTED", "Stopped", "by hand")


def test_a_redriven_run_goes_on_in_the_state_that_failed() -> None:
    plain = {
        "StartAt": "Resize",
        "States": {"Resize": {"Type": "Task", "Resource": FUNCTION, "End": True}},
    }
    events = aws_start(plain, "Task")
    events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
    events("LambdaFunctionFailed", error="BadError", cause="bad")
    events("ExecutionFailed", error="BadError", cause="bad")
    events("ExecutionRedriven", redriveCount=1)
    events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")

    history = History.of(parse(plain), events)

    assert (history.status, history.error, history.stopped_at) == ("RUNNING", None, None)
    assert history.visits[0].status == "running"
    assert len(history.visits[0].attempts) == 2
    events("LambdaFunctionSucceeded", output="1")
    events("TaskStateExited", name="Resize", output="1")
    events("ExecutionSucceeded", output="1")
    assert statuses(History.of(parse(plain), events).summaries())["Resize"] == "succeeded"


def test_a_distributed_map_names_its_map_run() -> None:
    definition = json.loads(json.dumps(MAP))
    definition["States"]["Each"]["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED"}
    events = aws_start(definition, "Map")
    events("MapStateStarted", length=2000)
    events("MapRunStarted", mapRunArn="arn:aws:states:eu-west-1:1:mapRun:m/l:r")
    events("MapRunFailed", error="States.ExceedToleratedFailureThreshold", cause="too many")
    events("MapStateFailed")
    events("MapStateExited", name="Each", output="{}")

    visit = History.of(parse(definition), events).visits[0]

    assert visit.map_run == "arn:aws:states:eu-west-1:1:mapRun:m/l:r"
    assert (visit.status, visit.length) == ("caught", 2000)


# -- Whatever comes -------------------------------------------------------------------------------

KINDS = st.sampled_from(
    [f"Execution{end}" for end in ("Started", "Succeeded", "Failed", "Aborted", "Redriven")]
    + [f"{kind}State{end}" for kind in ("Task", "Pass", "Map") for end in ("Entered", "Exited")]
    + [f"ParallelState{end}" for end in ("Started", "Entered", "Exited", "Aborted", "Failed")]
    + [f"MapIteration{end}" for end in ("Started", "Succeeded", "Failed", "Aborted")]
    + [f"Task{end}" for end in ("Scheduled", "Submitted", "Succeeded", "Failed", "TimedOut")]
    + ["MapStateStarted", "MapRunStarted", "FailStateEntered", "EvaluationFailed", "New"]
)
TEXTS = st.none() | st.sampled_from(["{}", "not JSON", '{"items": [1, 2]}', "[1]"])


@st.composite
def any_event(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    kind = draw(KINDS)
    key = "stateEnteredEventDetails" if "Entered" in kind else "someEventDetails"
    return {
        "type": kind,
        "timestamp": draw(st.integers(1_700_000_000, 1_700_009_999)),
        key: {
            "name": draw(st.sampled_from([*names, "Unknown"])),
            "index": draw(st.integers(0, 3)),
            "input": draw(TEXTS),
            "output": draw(TEXTS),
            "error": draw(st.none() | st.just("States.Timeout") | st.text(max_size=4)),
            "length": draw(st.none() | st.integers(0, 4)),
        },
    }


@settings(max_examples=150)
@given(st.data())
def test_no_sequence_of_events_makes_it_fail(data: st.DataObject) -> None:
    definition = recorded(data.draw(st.sampled_from(NAMES))).definition
    names = [node.name for node in definition.nodes.values()]
    events = data.draw(st.lists(any_event(names), max_size=25))
    history = History(definition)

    for number, event in enumerate(events, 1):
        history.add({"id": number, "previousEventId": data.draw(st.integers(0, number)), **event})

    assert set(history.summaries()) == {node["id"] for node in definition.graph()["nodes"]}
    json.dumps(history.summaries())


@settings(max_examples=60)
@given(st.data())
def test_a_part_of_a_history_is_no_error(data: st.DataObject) -> None:
    """Events may be missing: AWS may return a page late, and old ones are deleted."""
    run = recorded(data.draw(st.sampled_from(NAMES)))
    kept = data.draw(st.sets(st.integers(0, len(run.events) - 1)))

    history = History.of(run.definition, [run.events[index] for index in sorted(kept)])

    assert set(statuses(history.summaries()).values()) <= STATUSES
