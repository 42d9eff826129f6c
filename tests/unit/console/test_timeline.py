"""The timeline of recorded runs."""

from typing import Any

import pytest

from console import timeline
from console.definition import parse
from console.history import History
from console.logs import Invocation
from tests.unit.console.recorded import NAMES, Events, recorded
from tests.unit.console.test_history import CALLBACK, FUNCTION, LAMBDA, aws_start

LATER = 1_900_000_000_000


def rows(history: History, *invocations: Invocation) -> dict[str, list[dict[str, Any]]]:
    drawn = timeline.build(history, list(invocations), {}, LATER)
    return {row["label"]: row["bars"] for row in drawn["rows"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_state_visited_has_a_row_and_its_bars_lie_in_the_run(name: str) -> None:
    history = recorded(name).history

    drawn = timeline.build(history, [], {}, LATER)

    assert {row["node"] for row in drawn["rows"]} == {visit.node.id for visit in history.visits}
    assert len({row["id"] for row in drawn["rows"]}) == len(drawn["rows"])
    for bar in (bar for row in drawn["rows"] for bar in row["bars"]):
        assert drawn["start"] <= bar["start"] <= (bar["end"] or LATER)
        assert (bar["end"] is None) <= (history.status == "RUNNING")


def test_a_retry_is_a_bar_of_its_own() -> None:
    bars = rows(recorded("retried-and-caught").history)["Ask"]

    assert [(bar["attempt"], bar["status"], bar["kind"]) for bar in bars] == [
        (1, "failed", "work"),
        (2, "failed", "work"),
        (3, "failed", "work"),
    ]
    assert bars[0]["end"] < bars[1]["start"]


def test_the_queue_before_a_function_is_told_from_work() -> None:
    events = aws_start(LAMBDA, "Task")
    events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
    events("LambdaFunctionStarted")
    events("LambdaFunctionSucceeded", output="1")

    bars = rows(History.of(parse(LAMBDA), events))["Resize"]

    assert [(bar["kind"], bar["end"] - bar["start"]) for bar in bars] == [
        ("queue", 1000),
        ("work", 1000),
    ]


def test_waiting_is_told_from_the_call() -> None:
    events = aws_start(CALLBACK, "Task")
    events("TaskScheduled", resourceType="lambda", resource="invoke.waitForTaskToken")
    events("TaskSubmitted", resourceType="lambda", resource="invoke.waitForTaskToken")

    bars = rows(History.of(parse(CALLBACK), events))["Approve"]

    assert [(bar["kind"], bar["status"], bar["end"]) for bar in bars] == [
        ("work", "succeeded", bars[1]["start"]),
        ("wait", "waiting", None),
    ]


def test_a_function_waits_in_the_queue_until_its_log_begins() -> None:
    events = aws_start(LAMBDA, "Task")
    scheduled = events("LambdaFunctionScheduled", resource=FUNCTION, input="{}")
    history = History.of(parse(LAMBDA), events)
    at = 1000 * (1_800_000_000 + scheduled)
    one = Invocation("resize", "r", at + 300, at + 900, attempt=history.visits[0].attempts[0])

    bars = rows(history, one)["resize"]

    assert [(bar["start"] - at, bar["end"] - at, bar["kind"]) for bar in bars] == [
        (0, 300, "queue"),
        (300, 900, "work"),
    ]


def test_thousands_of_bars_are_merged_and_none_is_lost_from_sight() -> None:
    bars = [timeline.bar(n * 10, n * 10 + 5, "work", "succeeded") for n in range(2000)]
    bars.append(timeline.bar(7_003, 7_004, "work", "failed"))

    found = timeline.merged(bars)

    assert len(found) <= timeline.MOST_BARS
    assert min(bar["start"] for bar in found) == 0
    assert max(bar["end"] for bar in found) == 19_995
    assert [bar["start"] for bar in found if bar["status"] == "failed"] == [7_003]


def test_an_empty_history_is_an_empty_timeline() -> None:
    drawn = timeline.build(History.of(parse(LAMBDA), Events()), [], {}, LATER)

    assert drawn == {"start": LATER, "end": None, "rows": []}
