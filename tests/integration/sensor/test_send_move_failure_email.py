"""A file that is stored and could not be moved is reported once, with the place where it is."""

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


def test_a_mail_says_what_is_stored_and_where_the_file_is(
    world: World, context: FakeContext
) -> None:
    # Given a file that is stored and still where it was
    source = world.upload(b"a,1,1\n")

    # When that is reported
    assert handler(EVENT | {"source": source}, context)["status"] == "sent"

    # Then the mail says so, and not that the file failed
    (mail,) = world.mails
    assert mail.subject == "File processed, but moving it failed"
    assert "could not be processed" not in mail.body
    for said in ("60000", "The file was not moved.", f"s3://{SOURCE}/{KEY}", "Do not upload"):
        assert said in mail.body


def test_a_retry_sends_nothing_wherever_the_file_is_by_then(
    world: World, context: FakeContext
) -> None:
    event = EVENT | {"source": world.upload(b"a,1,1\n")}
    first = handler(event, context)
    world.s3.delete_object(Bucket=SOURCE, Key=KEY, VersionId=event["source"]["versionId"])
    assert handler(event, context) == first
    assert len(world.mails) == 1
