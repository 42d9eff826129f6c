"""More items at once than a laptop can work on: all of them come to their end, in their turn."""

import time
from collections import Counter
from dataclasses import dataclass

import pytest

from local.aws import Aws, until
from local.gaps.lambda_workers import SHARED_WORKERS, WORKERS
from local.signing import Signing
from tests.e2e.load import many_items
from tests.e2e.load.usage import Usage, measured

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
SECONDS = 400  # for all of them, on a busy machine; two idle processors take a quarter of it
FILES, ROWS = 1000, 100
MESSAGES, PER_SECOND = 1000, 50
DOCUMENTS = 200
# Of the workflows, the event log and the schedules. Each keeps one worker.
FUNCTIONS = 18


def assert_bounded(usage: Usage) -> None:
    """Nothing has grown with the number of items."""
    assert usage.workers_of_a_function <= WORKERS, usage
    assert usage.workers <= SHARED_WORKERS + FUNCTIONS, usage
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


def test_a_thousand_files_at_once(aws: Aws) -> None:
    run = Run.begin(aws, "SensorStateMachineArn", "SensorReadingsTable")
    with measured(aws.settings) as usage:
        folder = many_items.upload(aws, FILES, ROWS)
        run.assert_all_succeeded(FILES)
        run.assert_logged(2 * FILES)

    run.assert_recorded(FILES * ROWS)
    assert many_items.count_objects(aws, "SensorSourceBucket", folder) == 0
    assert many_items.count_objects(aws, "SensorTargetBucket", f"processed/{folder}") == FILES
    assert len(aws.mails(f"{folder}/")) == FILES
    # Its trigger and the tasks Plan Ingestion, Process File, Move File and Send Email.
    assert_bounded(usage)


def test_a_thousand_messages_at_fifty_a_second(aws: Aws) -> None:
    run = Run.begin(aws, "MessagesStateMachineArn", "MessagesTable")
    with measured(aws.settings) as usage:
        ids = many_items.post_messages(aws, MESSAGES, PER_SECOND)
        run.assert_all_succeeded(MESSAGES)

    assert len(set(ids)) == MESSAGES
    run.assert_recorded(MESSAGES)
    assert_bounded(usage)


def test_two_hundred_signatures(aws: Aws) -> None:
    signing = Signing(aws)
    run = Run.begin(aws, "SignatureStateMachineArn", "SignatureRequestsTable")
    with measured(aws.settings) as usage:
        documents = many_items.request_signatures(signing, DOCUMENTS)
        many_items.decide_all(signing, documents, SECONDS)
        run.assert_all_succeeded(DOCUMENTS)

    run.assert_recorded(DOCUMENTS)
    assert_bounded(usage)
