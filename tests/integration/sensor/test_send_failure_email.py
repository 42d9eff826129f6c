"""A failed file is reported by one mail."""

import json

from handlers.sensor import quarantine_file
from handlers.sensor.send_failure_email import handler
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, TARGET, World

EVENT = {
    "execution": EXECUTION,
    "startedAt": "2017-01-08T20:00:00Z",
    "source": {"bucketName": SOURCE, "objectKey": KEY},
    "failure": {
        "Error": "NoValidReadingsError",
        "Cause": json.dumps({"errorMessage": "The file has no rows."}),
    },
    "quarantine": {"moved": True, "bucketName": TARGET, "objectKey": f"failed/{KEY}"},
}


def test_a_mail_reports_the_reason_and_the_location(world: World, context: FakeContext) -> None:
    # Given a quarantined file
    event = EVENT | {"source": world.upload(b"rubbish")}
    event["quarantine"] = quarantine_file.handler(event, context)

    assert handler(event, context)["status"] == "sent"
    (mail,) = world.mails
    assert mail.subject == "File not processed"
    assert "The file has no rows." in mail.body
    assert f"s3://{TARGET}/failed/{KEY}" in mail.body


def test_a_retry_sends_no_second_mail(world: World, context: FakeContext) -> None:
    first = handler(EVENT, context)
    assert handler(EVENT, context) == first
    assert len(world.mails) == 1
