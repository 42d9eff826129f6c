"""More items at once than a laptop can work on: all of them come to their end, in their turn.

`make load` sends the full numbers and writes the figures to docs/reliability.md. `make test` sends
fewer, beside other tests.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from local.aws import Aws, until
from local.demo.images import failures
from local.gaps.lambda_workers import KEPT_WORKERS, WORKERS
from local.signing import Signing
from tests.e2e.load import many_items
from tests.e2e.load.figures import Figures
from tests.e2e.load.many_items import Downloads
from tests.e2e.load.usage import Usage, measured
from tests.e2e.size import Size
from tests.support import web

pytestmark = [pytest.mark.load, pytest.mark.timeout(1500)]
SECONDS = 900  # for all of them, on a busy machine; two idle processors take a tenth of it
ROWS = 100  # of a file
PER_SECOND = 50  # messages
MISSING = 3  # images of every other run of downloads
# Of the workflows, the event log and the schedules. Each keeps one worker.
FUNCTIONS = 18


def assert_bounded(usage: Usage) -> None:
    """Nothing has grown with the number of items."""
    assert usage.workers_of_a_function <= WORKERS, usage
    assert usage.workers <= KEPT_WORKERS + FUNCTIONS, usage
    assert usage.server_mb < 500, usage
    assert usage.close_wait < 100, usage


def waiting_letters(aws: Aws) -> dict[str, int]:
    """How many messages there are in each queue that has any, beside that of the event log."""
    sqs = aws.client("sqs")
    found = {}
    for url in sqs.list_queues()["QueueUrls"]:
        counts = sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
        name = url.rpartition("/")[2]
        if "-EventLogQueue-" not in name and (total := sum(map(int, counts.values()))):
            found[name] = total
    return found


@dataclass
class Run:
    """One test's executions and records: others may have been there before."""

    aws: Aws
    machine: str
    table: str
    began: float
    records: int

    @classmethod
    def begin(cls, aws: Aws, machine: str, table: str) -> "Run":
        return cls(
            aws, aws.outputs[machine], table, time.time(), many_items.count_items(aws, table)
        )

    def assert_all_succeeded(self, count: int) -> None:
        statuses = many_items.ended(self.aws, self.machine, count, SECONDS, self.began)
        assert statuses == Counter(SUCCEEDED=count)
        assert waiting_letters(self.aws) == {}

    def assert_logged(self, events: int) -> None:
        """The event log keeps up: soon, it has all events of the machine's executions."""
        until(
            f"{events} events in the event log",
            lambda: many_items.count_events(self.aws, self.machine, self.began) == events,
            60,
        )

    def assert_recorded(self, count: int) -> None:
        assert many_items.count_items(self.aws, self.table) - self.records == count


def test_files_at_once(aws: Aws, figures: Figures, size: Size) -> None:
    files = size.files
    run = Run.begin(aws, "SensorStateMachineArn", "SensorReadingsTable")
    with measured(aws.settings) as usage, figures.of(f"{files:,} files of {ROWS} rows") as figure:
        folder = many_items.upload(aws, files, ROWS)
        run.assert_all_succeeded(files)
        figure.work(files, many_items.durations(aws, run.machine, run.began))
        run.assert_logged(2 * files)

    run.assert_recorded(files * ROWS)
    assert many_items.count_objects(aws, "SensorSourceBucket", folder) == 0
    assert many_items.count_objects(aws, "SensorTargetBucket", f"processed/{folder}") == files
    assert len(aws.mails(f"{folder}/")) == files
    # Its trigger and the tasks Plan Ingestion, Process File, Move File and Send Email.
    assert_bounded(usage)
    figure.used(usage)


def test_messages_at_fifty_a_second(aws: Aws, figures: Figures, size: Size) -> None:
    run = Run.begin(aws, "MessagesStateMachineArn", "MessagesTable")
    title = f"{size.messages:,} messages at {PER_SECOND} a second"
    with measured(aws.settings) as usage, figures.of(title) as figure:
        ids = many_items.post_messages(aws, size.messages, PER_SECOND)
        run.assert_all_succeeded(size.messages)
        figure.work(size.messages, many_items.durations(aws, run.machine, run.began))

    assert len(set(ids)) == size.messages
    run.assert_recorded(size.messages)
    assert_bounded(usage)
    figure.used(usage)


def test_signature_requests_that_are_open_at_once(aws: Aws, figures: Figures, size: Size) -> None:
    signing, count = Signing(aws), size.documents
    run = Run.begin(aws, "SignatureStateMachineArn", "SignatureRequestsTable")
    title = f"{count} signature requests, decided in {size.deciding_seconds} s"
    with measured(aws.settings) as usage, figures.of(title) as figure:
        documents = many_items.request_signatures(signing, count)
        links = many_items.links(signing, documents, SECONDS)
        assert many_items.outcomes(aws, run.machine, run.began) == Counter(RUNNING=count)
        many_items.decide_all(signing, links, size.deciding_seconds)
        run.assert_all_succeeded(count)
        figure.work(count, many_items.durations(aws, run.machine, run.began))

    run.assert_recorded(count)
    statuses = many_items.values(aws, "SignatureRequestsTable", "documentId", "status")
    assert {statuses[document] for document in documents} == {"SIGNED"}
    assert_bounded(usage)
    figure.used(usage)


def test_runs_of_downloads_at_once(aws: Aws, figures: Figures, size: Size) -> None:
    began, machine = time.time(), aws.outputs["ImagesStateMachineArn"]
    runs = many_items.downloads(size.runs, size.paths, MISSING)
    title = f"{size.runs} image runs of {size.paths} paths"
    with (
        web.serve(many_items.routes(runs)) as server,
        failures(aws) as queue,
        measured(aws.settings) as usage,
        figures.of(title) as figure,
    ):
        arns = many_items.start_downloads(aws, server.url, runs)
        statuses = many_items.ended(aws, machine, size.runs, SECONDS, began)
        figure.work(size.runs * size.paths, many_items.durations(aws, machine, began))
        announced = many_items.announced(aws, queue)

    assert statuses == Counter(SUCCEEDED=(size.runs + 1) // 2, FAILED=size.runs // 2)
    recorded = many_items.values(aws, "ImagesTable", "url", "filename")
    host = server.url.removeprefix("http://")
    stored = set(many_items.objects(aws, "ImagesBucket", f"{host}/"))
    for run, arn in zip(runs, arns, strict=True):
        failed = {f"{server.url}/{path}" for path in run.missing}
        assert_one_outcome_each(many_items.report(aws, arn), server.url, run)
        assert aws.describe(arn).get("error") == ("DownloadsFailedError" if failed else None)
        assert all(f"Could not find: {url}" in announced for url in failed)
        present = set(run.paths) - run.missing
        assert {path for path in run.paths if f"{host}/{path}" in stored} == present
        assert {path for path in run.paths if f"{server.url}/{path}" in recorded} == present
    assert waiting_letters(aws) == {}
    assert_bounded(usage)
    figure.used(usage)


def assert_one_outcome_each(report: list[dict[str, Any]], address: str, run: Downloads) -> None:
    """The report has each path once, with the outcome that it has on the server."""
    assert {outcome["url"]: "filename" in outcome for outcome in report} == {
        f"{address}/{path}": path not in run.missing for path in run.paths
    }
    assert len(report) == len(run.paths)
