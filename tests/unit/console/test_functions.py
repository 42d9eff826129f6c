"""What functions logged last as an error, and how often they were invoked."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from console.functions import (
    HOUR,
    Errors,
    Failure,
    Metric,
    Metrics,
    failed_run,
    last_error,
    run_of,
    sentence,
)
from console.history import message
from console.logs import Line, function_of, parse
from console.topology import Connection, Topology
from tests.unit.console.recorded import recorded

NOW = 100 * HOUR
REQUEST = "0388c561-1212-4cf5-982b-93a6422d99f7"
RUN = "arn:aws:states:us-east-1:000000000000:execution:shop-orders:order-1"


def logged(*lines: tuple[int, str]) -> Callable[[str, int, int, str], list[Line]]:
    def search(function: str, start: int, end: int, pattern: str) -> list[Line]:
        word = pattern.strip('"')
        return [
            parse(function, "stream", at, text)
            for at, text in lines
            if start <= at <= end and word in text
        ]

    return search


def test_the_newest_error_of_the_last_hour() -> None:
    search = logged(
        (NOW - 3_000, "[ERROR] ValueError: first"),
        (NOW - 2_000, "[ERROR] KeyError: second"),
        (NOW - 1_000, "no ERROR at all"),
    )

    found = last_error(search, "f", NOW)

    assert found is not None
    assert sentence(found) == "KeyError: second"


def test_else_the_newest_of_the_day() -> None:
    search = logged((NOW - 5 * HOUR, "[ERROR] E: old"), (NOW - 30 * HOUR, "[ERROR] E: too old"))

    found = last_error(search, "f", NOW)

    assert found is not None
    assert sentence(found) == "E: old"


def test_none_if_there_was_none() -> None:
    assert last_error(logged((NOW - 1, "all is well")), "f", NOW) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"level": "ERROR", "message": "cannot pay"}', "cannot pay"),
        (
            '{"level": "ERROR", "message": "cannot pay", "exception_name": "PayError", '
            '"exception": "Traceback\\nshop.PayError: no money"}',
            "cannot pay (PayError)",
        ),
        (
            '{"level": "ERROR", "message": "cannot pay", "exception_name": "PayError", '
            '"exception": "Traceback\\nPayError: no money"}',
            "cannot pay (PayError: no money)",
        ),
        ("[ERROR] ValueError: bad\nTraceback (most recent call last):\n  File", "ValueError: bad"),
        (f"[ERROR]\t2026-01-01T00:00:00.000Z\t{REQUEST}\tcannot pay", "cannot pay"),
        (
            f"2026-01-01T00:00:00.000Z {REQUEST} Task timed out after 3.00 seconds",
            "Task timed out after 3.00 seconds",
        ),
    ],
    ids=["JSON", "exception elsewhere", "exception", "traceback", "Lambda's format", "timeout"],
)
def test_an_error_is_one_sentence(text: str, said: str) -> None:
    line = parse("f", "stream", NOW, text)

    assert line.level == "ERROR"
    assert sentence(line) == said


def test_the_run_that_a_line_names() -> None:
    assert run_of(parse("f", "s", NOW, f'{{"execution": "{RUN}"}}')) == "shop-orders:order-1"
    assert run_of(parse("f", "s", NOW, "no run")) is None


class FakeLogs:
    """CloudWatch Logs with the lines of one stream."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.at = round(time.time() * 1000) - 1_000
        self.asked = 0

    def pages(self, service: str, operation: str, key: str, **given: Any) -> Any:
        self.asked += 1
        word = given.get("filterPattern", "").strip('"')
        for text in self.lines:
            if word in text:
                yield {"logStreamName": "s", "timestamp": self.at, "message": text}


def wait_for(errors: Errors, function: str) -> Any:
    for _ in range(50):  # each waits a moment itself
        known, reading = errors.of([function])
        if not reading:
            return known[function]
    raise AssertionError("not read")


def test_the_run_is_named_in_another_line_of_the_invocation() -> None:
    aws: Any = FakeLogs(
        f"START RequestId: {REQUEST} Version: $LATEST",
        f'{{"level": "INFO", "message": "begun", "execution": "{RUN}"}}',
        "[ERROR] ValueError: bad",
        f"END RequestId: {REQUEST}",
    )

    failure = wait_for(Errors(aws), "f")

    assert (failure.text, failure.request_id) == ("ValueError: bad", REQUEST)
    assert failure.run == "shop-orders:order-1"


def test_errors_are_read_once_for_all_pages() -> None:
    aws: Any = FakeLogs("[ERROR] ValueError: bad")
    errors = Errors(aws)
    wait_for(errors, "f")
    asked = aws.asked

    errors.of(["f"])

    assert aws.asked == asked


class FakeMetrics:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def pages(self, service: str, operation: str, key: str, **given: Any) -> Any:
        queries = given["MetricDataQueries"]
        self.asked.append(len(queries))
        # A result may come in parts.
        yield {"Id": queries[0]["Id"], "Values": [1.0, 2.0]}
        yield {"Id": queries[0]["Id"], "Values": [4.0]}


def metric(name: str) -> Metric:
    return Metric("AWS/Lambda", "Invocations", (("FunctionName", name),))


def test_sums_of_metrics() -> None:
    aws: Any = FakeMetrics()
    metrics = Metrics(aws, local=False)

    assert metrics.sums([metric("a"), metric("b")], 1) == {metric("a"): 7}
    assert metrics.sums([metric("b"), metric("a")], 1) == {metric("a"): 7}
    assert aws.asked == [2]


def test_many_metrics_are_asked_for_in_parts() -> None:
    aws: Any = FakeMetrics()

    Metrics(aws, local=False).sums([metric(f"f{n}") for n in range(501)], 24)

    assert aws.asked == [500, 1]


def test_the_run_in_which_a_function_failed_so() -> None:
    failed, succeeded = recorded("sensor-failed"), recorded("sensor-succeeded")
    visit, attempt = next(
        (visit, attempt)
        for visit in failed.history.visits
        for attempt in visit.attempts
        if attempt.error
    )
    function = str(function_of(visit, attempt))
    at = attempt.stopped_at or 0
    histories = {"m:failed": failed.history, "m:other": succeeded.history}

    def run(name: str) -> Any:
        return SimpleNamespace(
            id=name, machine="m", status="FAILED", started_at=at - 5_000, stopped_at=at + 5_000
        )

    console: Any = SimpleNamespace(
        topology=Topology(connections=[Connection("machine/m", f"function/{function}", "invokes")]),
        runs=SimpleNamespace(
            by_id={name: run(name) for name in histories},
            recording=lambda one: SimpleNamespace(history=histories[one.id], lock=nullcontext()),
        ),
    )
    said = f"{attempt.error}: {message(attempt.cause)}"

    assert failed_run(console, function, Failure(at, said, None, None)) == "m:failed"
    assert failed_run(console, function, Failure(at, "OtherError: else", None, None)) is None
    assert failed_run(console, function, Failure(at - 60_000, said, None, None)) is None
    assert failed_run(console, "another", Failure(at, said, None, None)) is None
