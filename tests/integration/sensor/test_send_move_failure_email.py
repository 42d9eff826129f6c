"""A file that is stored, but not moved, is reported by one mail with its location."""

import json

from handlers.sensor.send_move_failure_email import handler
from tests.unit.fakes import FakeContext

from .conftest import EXECUTION, KEY, SOURCE, World

INGESTION = {"stored": 60_000, "duplicates": 0, "rejected": 0}
FAILURE = {"Error": "ClientError", "Cause": json.dumps({"errorMessage": "Access Denied"})}
EVENT = {
    "execution": EXECUTION,
    "startedAt": "2017-01-08T20:00:00Z",
    "ingestion": INGESTION,
    "failure": FAILURE,
}


def test_a_mail_reports_the_stored_readings_and_the_location(
    world: World, context: FakeContext
) -> None:
    # Given a file that is stored and still in the source bucket
    source = world.upload(b"a,1,1\n")

    # When the failed move is reported
    assert handler(EVENT | {"source": source}, context)["status"] == "sent"

    # Then the mail does not say that the file failed
    (mail,) = world.mails
    assert mail.subject == "File processed, but moving it failed"
    assert "could not be processed" not in mail.body
    for expected in ("60000", "The file was not moved.", f"s3://{SOURCE}/{KEY}", "Do not upload"):
        assert expected in mail.body


def test_a_retry_sends_no_second_mail_although_the_file_has_moved(
    world: World, context: FakeContext
) -> None:
    event = EVENT | {"source": world.upload(b"a,1,1\n")}
    first = handler(event, context)
    world.s3.delete_object(Bucket=SOURCE, Key=KEY, VersionId=event["source"]["versionId"])
    assert handler(event, context) == first
    assert len(world.mails) == 1
