"""Lines of logs, the invocations they add up to, and the tasks that made these."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from console.definition import parse as parse_definition
from console.history import History
from console.logs import Invocation, Line, attribute, invocations, parse, selected
from tests.unit.console.recorded import Events

AT = 1_800_000_000_000
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def log(*texts: tuple[int, str] | tuple[int, str, str]) -> list[Line]:
    return [parse("resize", (*more, "s")[0], AT + at, text) for at, text, *more in texts]


def test_lambdas_lines_frame_an_invocation() -> None:
    lines = log(
        (0, f"START RequestId: {ONE} Version: $LATEST\n"),
        (10, "plain text of a print\n"),
        (40, f"END RequestId: {ONE}\n"),
        (
            41,
            f"REPORT RequestId: {ONE}\tDuration: 40.25 ms\tBilled Duration: 41 ms\t"
            "Memory Size: 128 MB\tMax Memory Used: 70 MB\tInit Duration: 236.10 ms\n",
        ),
    )

    (one,) = invocations(lines)

    assert (one.request_id, one.duration_ms, one.init_ms, one.memory_mb) == (ONE, 40.25, 236.1, 70)
    assert (one.started_at, one.stopped_at, one.cold) == (AT, AT + 41, True)
    assert [line.message for line in one.lines][1] == "plain text of a print"
    assert [line.platform for line in one.lines] == [True, False, True, True]


def test_streams_are_told_apart() -> None:
    lines = log(
        (0, f"START RequestId: {ONE} Version: 1", "a"),
        (1, f"START RequestId: {TWO} Version: 1", "b"),
        (2, "of one", "a"),
        (3, "of two", "b"),
    )

    found = {one.request_id: [line.message for line in one.lines][1:] for one in invocations(lines)}

    assert found == {ONE: ["of one"], TWO: ["of two"]}


def test_where_all_lines_have_the_time_of_the_end_the_duration_gives_the_start() -> None:
    """So it is on the local AWS; the function's own lines have their own time."""
    own = {
        "level": "INFO",
        "message": "document signed",
        "timestamp": "2027-01-15 07:59:58,500+0000",
        "function_request_id": ONE,
        "cold_start": True,
    }
    lines = log(
        (0, f"START RequestId: {ONE} Version: $LATEST"),
        (0, json.dumps(own)),
        (0, f"END RequestId: {ONE}"),
        (0, f"REPORT RequestId: {ONE}\tDuration: 2020 ms\tBilled Duration: 2020 ms"),
    )

    (one,) = invocations(lines)

    assert (one.started_at, one.stopped_at, one.cold) == (AT - 2020, AT, True)
    assert [line.at - AT for line in one.lines] == [-2020, -1500, 0, 0]
    assert (one.lines[1].level, one.lines[1].message) == ("INFO", "document signed")


def test_lambdas_json_format() -> None:
    report = {
        "time": "2027-01-15T08:00:00.050Z",
        "type": "platform.report",
        "record": {
            "requestId": ONE,
            "metrics": {"durationMs": 12.5, "initDurationMs": 99.0},
            "status": "timeout",
        },
    }
    start = {
        "time": "2027-01-15T08:00:00.000Z",
        "type": "platform.start",
        "record": {"requestId": ONE},
    }

    (one,) = invocations(log((0, json.dumps(start)), (50, json.dumps(report))))

    assert (one.duration_ms, one.init_ms, one.failed) == (12.5, 99.0, True)


def test_a_timeout_is_an_error() -> None:
    (line,) = log((0, f"2027-01-15T08:00:03Z {ONE} Task timed out after 3.00 seconds"))

    assert (line.level, line.request_id) == ("ERROR", ONE) if line.request_id else "ERROR"
    assert line.level == "ERROR"


FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:resize"


def history(*tasks: tuple[int, int]) -> History:
    """Tasks that ran one after another, from and to a second."""
    states: dict[str, Any] = {
        str(number): {"Type": "Task", "Resource": FUNCTION, "Next": str(number + 1)}
        for number in range(len(tasks))
    }
    events = Events()
    events("ExecutionStarted", input="{}")
    for number, (begin, end) in enumerate(tasks):
        for kind, at, details in (
            ("TaskStateEntered", begin, {"name": str(number), "input": "{}"}),
            ("LambdaFunctionScheduled", begin, {"resource": FUNCTION}),
            ("LambdaFunctionSucceeded", end, {"output": "1"}),
            ("TaskStateExited", end, {"name": str(number), "output": "1"}),
        ):
            events(kind, **details)
            events.all[-1]["timestamp"] = AT / 1000 + at
    return History.of(parse_definition({"StartAt": "0", "States": states}), events)


def invocation(request_id: str, begin: int, end: int, text: str = "") -> Invocation:
    line = parse("resize", "s", AT + begin * 1000, text)
    return Invocation("resize", request_id, AT + begin * 1000, AT + end * 1000, lines=[line])


def test_an_invocation_goes_to_the_task_in_whose_time_it_ran() -> None:
    run = history((0, 10), (20, 30))
    found = [invocation(TWO, 21, 30), invocation(ONE, 1, 10), invocation("other", 100, 101)]

    attribute(run, found, ["run-1"], AT + 40_000)

    assert [one.node for one in found] == ["1", "0", None]
    assert found[0].lines[0].node == "1"


def test_one_that_mentions_the_run_goes_before_one_that_fits_better() -> None:
    run = history((0, 10))
    found = [invocation(TWO, 0, 10), invocation(ONE, 2, 9, "execution run-1")]

    attribute(run, found, ["run-1"], AT + 40_000)

    assert [one.node for one in found] == [None, "0"]


def test_a_request_id_in_the_history_decides() -> None:
    run = history((0, 10))
    run.visits[0].attempts[0].request_id = TWO
    found = [invocation(ONE, 0, 10, "run-1"), invocation(TWO, 0, 10)]

    attribute(run, found, ["run-1"], AT + 40_000)

    assert [one.node for one in found] == [None, "0"]


def test_lines_are_found_by_word_level_and_field() -> None:
    lines = log(
        (0, '{"level": "INFO", "message": "moved", "source": {"key": "a/b.csv"}}'),
        (1, '{"level": "WARNING", "message": "slow", "ms": 900}'),
        (2, "plain"),
    )

    assert selected(lines, "MOVED a/b", "", "", []) == lines[:1]
    assert selected(lines, "", "warn", "", []) == lines[1:2]
    assert selected(lines, "", "", "", ["source.key:b.csv"]) == lines[:1]
    assert selected(lines, "", "", "", ["ms:900"]) == lines[1:2]
    assert selected(lines, "", "", "resize", []) == lines
    assert selected(lines, "", "", "other", []) == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 99),
            st.text()
            | st.sampled_from(
                [
                    f"START RequestId: {ONE}",
                    f"REPORT RequestId: {ONE}\tDuration: 1 ms",
                    "{}",
                    '{"record": 1}',
                    '{"type": "platform.report", "record": {"requestId": "x", "metrics": 1}}',
                    '{"time": 1e400}',
                ]
            ),
        )
    )
)
def test_any_lines_are_read(texts: list[tuple[int, str]]) -> None:
    lines = log(*texts)

    assert sum(len(one.lines) for one in invocations(lines)) <= len(lines)
