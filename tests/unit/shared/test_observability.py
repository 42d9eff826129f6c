"""Log lines have the execution, and metrics the workflow."""

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from handlers.shared.observability import logger_for, measure, metrics_for
from tests.unit.fakes import FakeContext

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:name"


def test_the_execution_is_in_every_line(context: FakeContext) -> None:
    # Given a handler that logs a field
    lines = io.StringIO()
    logger = Logger(service="observability-test", stream=lines)

    @logger.inject_lambda_context(correlation_id_path="execution")
    def handler(event: dict[str, Any], context: FakeContext) -> None:
        logger_for("observability-test").info("done", stored=3)

    # When it runs in an execution
    handler({"execution": EXECUTION, "secret": "s3cret"}, context)

    # Then its line has both, and no other field of the event
    line = json.loads(lines.getvalue())
    assert (line["correlation_id"], line["stored"]) == (EXECUTION, 3)
    assert "s3cret" not in lines.getvalue()


def test_text_from_outside_stays_in_one_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logger_for("observability-test-lines")

    logger.info("file moved", key="a\r\nb\u2028c\u202ed\ud800", cause="x" * 1_000_000)

    written = capsys.readouterr().out
    assert written.isascii()
    assert len(written.splitlines()) == 1
    assert len(written) < 20_000
    line = json.loads(written)
    assert line["key"] == "a\r\nb\u2028c\u202ed\ud800"
    assert line["cause"].endswith("x…")


def test_metrics_have_the_dimensions_stage_and_service(
    context: FakeContext, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = metrics_for("observability-test")

    @metrics.log_metrics
    def handler(event: dict[str, Any], context: FakeContext) -> None:
        metrics.add_metric("FilesStarted", "Count", 2)

    for _ in range(2):  # a Lambda instance handles one event after the other
        handler({}, context)
        published = json.loads(capsys.readouterr().out)
        (metric,) = published["_aws"]["CloudWatchMetrics"]
        assert metric["Namespace"] == "Stepworks"
        assert set(metric["Dimensions"][0]) == {"stage", "service"}
        assert (published["stage"], published["service"]) == ("test", "observability-test")
        assert published["FilesStarted"] == [2]


def test_a_single_metric_is_published_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    measure("MailsSent", "Count", 1, service="mail")

    published = json.loads(capsys.readouterr().out)
    assert published["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stage", "service"]]
    assert (published["stage"], published["service"], published["MailsSent"]) == (
        *("test", "mail"),
        [1],
    )
