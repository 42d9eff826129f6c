"""A processed file is reported once."""

from typing import Any

import pytest

from handlers.sensor.errors import EmailOutcomeUnknownError
from handlers.sensor.send_email import handler
from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, ConfigurationError
from tests.support.engine import TaskError
from tests.support.faults import Fault, Kind, injected
from tests.unit.fakes import FakeContext, client_error

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

EVENT = {
    "execution": EXECUTION,
    "source": {"bucketName": SOURCE, "objectKey": KEY},
    "ingestion": {
        "stored": 8,
        "duplicates": 0,
        "rejected": 0,
        "sensors": 5,
        "firstTimestamp": 0,
        "lastTimestamp": 60,
        "seconds": 0.1,
    },
    "moved": {"bucketName": TARGET, "objectKey": f"processed/{KEY}", "size": 10},
}


def test_a_mail_says_what_became_of_the_file(world: World, context: FakeContext) -> None:
    # When a file is reported
    outcome = handler(EVENT, context)

    # Then one mail has gone out
    (mail,) = world.mails
    assert outcome == {"status": "sent", "messageId": mail.id}
    assert mail.subject == "File processed"
    assert mail.source == "from@example.com"
    assert mail.destinations["ToAddresses"] == ["to@example.com"]
    assert f"s3://{TARGET}/processed/{KEY}" in mail.body


def test_a_retry_sends_nothing(world: World, context: FakeContext) -> None:
    first = handler(EVENT, context)
    assert handler(EVENT, context) == first
    assert len(world.mails) == 1


def test_another_execution_sends_its_own(world: World, context: FakeContext) -> None:
    handler(EVENT, context)
    handler(EVENT | {"execution": EXECUTION + "-2"}, context)
    assert len(world.mails) == 2


def test_a_throttled_mail_is_sent_by_the_retry(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttle(**_: Any) -> None:
        raise client_error("Throttling")

    with monkeypatch.context() as patch:
        patch.setattr(client("ses"), "send_email", throttle)
        with pytest.raises(AwsUnavailableError):
            handler(EVENT, context)
    assert handler(EVENT, context)["status"] == "sent"
    assert len(world.mails) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.RESPONSE_LOST, "SendEmail"),
        Fault(Kind.KILLED_AFTER, "SendEmail"),
        Fault(Kind.KILLED_AFTER, "PutItem"),
    ],
    ids=str,
)
def test_a_report_of_which_nobody_knows_is_no_success(
    world: World, context: FakeContext, fault: Fault
) -> None:
    # Given an attempt that ends in the middle of the mail
    with injected(fault) as network, pytest.raises(TaskError):
        network.invoke(handler, EVENT, context)

    # When the task is tried again, then it says that nobody knows, and sends nothing
    sent = len(world.mails)
    with pytest.raises(EmailOutcomeUnknownError, match="may have been sent or not"):
        handler(EVENT, context)
    assert len(world.mails) == sent


@pytest.mark.parametrize("variable", ["EMAIL_FROM", "EMAIL_TO", "EMAIL_LOG_TABLE"])
def test_a_missing_setting_is_named(
    world: World, context: FakeContext, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=variable):
        handler(EVENT, context)
