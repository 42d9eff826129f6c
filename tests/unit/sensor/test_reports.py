"""The content of the mails."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from handlers.sensor import errors, reports
from handlers.sensor.file_locations import FileLocations
from handlers.sensor.reports import (
    failure_report,
    move_failure_report,
    processed_report,
    send,
)
from handlers.shared.errors import InvalidEventError
from handlers.shared.mail import Mail

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:machine:name"
SOURCE = {"bucketName": "source", "objectKey": "in/a<b>.csv", "versionId": "v1"}
INGESTION = {
    "stored": 8,
    "duplicates": 1,
    "rejected": 2,
    "rejectedKey": "rejected/in/a<b>.csv.csv",
    "sensors": 3,
    "firstTimestamp": -62_135_596_800,
    "lastTimestamp": 1_483_906_366,
    "seconds": 0.412,
}
PROCESSED = {
    "execution": EXECUTION,
    "source": SOURCE,
    "ingestion": INGESTION,
    "moved": {"bucketName": "target", "objectKey": "processed/in/a<b>.csv", "size": 10},
}
FAILED = {
    "execution": EXECUTION,
    "source": SOURCE,
    "failure": {
        "Error": "NoValidReadingsError",
        "Cause": json.dumps({"errorMessage": "s3://source/in/a<b>.csv has no rows."}),
    },
    "quarantine": {"moved": True, "bucketName": "target", "objectKey": "failed/in/a<b>.csv"},
}
SOURCE_LOCATION = "s3://source/in/a<b>.csv (version v1)"
PROCESSED_LOCATION = "s3://target/processed/in/a<b>.csv"
FAILED_LOCATION = "s3://target/failed/in/a<b>.csv"
QUARANTINED = FileLocations(failed=FAILED_LOCATION)
NOT_MOVED = {
    "execution": EXECUTION,
    "source": SOURCE,
    "ingestion": INGESTION,
    "failure": {"Error": "AwsUnavailableError", "Cause": '{"errorMessage": "S3 was unavailable."}'},
}


@pytest.fixture(autouse=True)
def target_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_BUCKET", "target")


class PageText(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


def test_the_report_on_a_processed_file() -> None:
    report = processed_report(PROCESSED)
    assert report.subject == "File processed"
    assert report.text() == (
        "in/a<b>.csv was processed.\n\n"
        "File: in/a<b>.csv\n"
        "Location: s3://target/processed/in/a<b>.csv\n"
        "Readings stored: 8\n"
        "Duplicate rows: 1\n"
        "Rejected rows: 2, see s3://target/rejected/in/a<b>.csv.csv\n"
        "Sensors: 3\n"
        "First reading: 0001-01-01T00:00:00Z\n"
        "Last reading: 2017-01-08T20:12:46Z\n"
        "Time taken: 0.412 s\n"
    )


def test_the_report_on_a_file_without_rejected_rows() -> None:
    ingestion = INGESTION | {"rejected": 0}
    del ingestion["rejectedKey"]
    report = processed_report(PROCESSED | {"ingestion": ingestion})
    assert report.facts["Rejected rows"] == "0"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: processed_report(PROCESSED), id="processed"),
        pytest.param(lambda: failure_report(FAILED, QUARANTINED), id="failed"),
        pytest.param(lambda: move_failure_report(NOT_MOVED, FileLocations()), id="not-moved"),
    ],
)
def test_html_and_text_have_the_same_content_and_keys_are_escaped(
    make: Callable[[], reports.Report],
) -> None:
    report = make()
    page = PageText(report.html())
    page_text = " ".join(page.text)
    for value in (report.summary, *report.facts, *report.facts.values(), report.advice):
        assert value in page_text
    assert "b" not in page.tags


def test_the_report_on_a_failed_file() -> None:
    report = failure_report(FAILED, QUARANTINED)
    assert report.subject == "File not processed"
    assert report.text() == (
        "in/a<b>.csv could not be processed. The file has no valid reading.\n\n"
        "File: in/a<b>.csv\n"
        "Reason: s3://source/in/a<b>.csv has no rows.\n"
        "Location: s3://target/failed/in/a<b>.csv\n"
        "Readings stored: none\n"
        "Error: NoValidReadingsError\n"
        f"Execution: {EXECUTION}\n\n"
        "What to do: Each row should be <SENSOR_UID>,<TIMESTAMP>,<VALUE>, the time in whole "
        "seconds since 1970. Correct the rows and upload the file again.\n"
    )


@pytest.mark.parametrize(
    ("locations", "expected"),
    [
        pytest.param(FileLocations(source=SOURCE_LOCATION), SOURCE_LOCATION, id="source"),
        pytest.param(
            FileLocations(source=SOURCE_LOCATION, failed=FAILED_LOCATION),
            f"{SOURCE_LOCATION} and {FAILED_LOCATION}",
            id="two-locations",
        ),
        pytest.param(
            FileLocations(),
            "Not found: neither at s3://source/in/a<b>.csv nor in processed/ or failed/ of the "
            "target bucket.",
            id="not-found",
        ),
        pytest.param(
            FileLocations(unknown=(f"{FAILED_LOCATION} could not be checked: no response",)),
            f"Unknown. {FAILED_LOCATION} could not be checked: no response.",
            id="unknown",
        ),
        pytest.param(
            FileLocations(
                source=SOURCE_LOCATION,
                unknown=(f"{FAILED_LOCATION} could not be checked: S3 failed.",),
            ),
            f"{SOURCE_LOCATION}. {FAILED_LOCATION} could not be checked: S3 failed.",
            id="partly-unknown",
        ),
    ],
)
def test_the_location_is_reported(locations: FileLocations, expected: str) -> None:
    assert failure_report(FAILED, locations).facts["Location"] == expected
    assert move_failure_report(NOT_MOVED, locations).facts["Location"] == expected


@pytest.mark.parametrize(
    ("quarantine", "expected"),
    [
        pytest.param(FAILED["quarantine"], None, id="moved"),
        pytest.param(
            {"moved": False, "reason": "There is no s3://source/in/a<b>.csv."},
            "not moved. There is no s3://source/in/a<b>.csv.",
            id="nothing-to-move",
        ),
        pytest.param(
            {"Error": "AwsUnavailableError", "Cause": '{"errorMessage": "S3 was unavailable."}'},
            "failed. S3 was unavailable.",
            id="error",
        ),
    ],
)
def test_the_result_of_quarantining_is_reported(
    quarantine: dict[str, Any], expected: str | None
) -> None:
    report = failure_report(FAILED | {"quarantine": quarantine}, FileLocations())
    assert report.facts.get("Move to failed/") == expected


@pytest.mark.parametrize(
    ("error", "stored"),
    [
        ("NoValidReadingsError", "none"),
        ("SourceObjectMissingError", None),
        ("IngestionTimeoutError", "unknown, some may be stored. Storing them again is safe."),
        ("Runtime.ExitError", "unknown, some may be stored. Storing them again is safe."),
        ("AnythingElse", "unknown, some may be stored. Storing them again is safe."),
    ],
)
def test_the_stored_readings_of_a_failed_file_are_reported(error: str, stored: str | None) -> None:
    report = failure_report(FAILED | {"failure": {"Error": error}}, FileLocations())
    assert report.facts.get("Readings stored") == stored


def test_the_report_on_a_file_that_could_not_be_moved() -> None:
    report = move_failure_report(NOT_MOVED, FileLocations(source=SOURCE_LOCATION))
    assert report.subject == "File processed, but moving it failed"
    assert report.text() == (
        "All readings of in/a<b>.csv are stored, but moving the file to processed/ failed. "
        "An AWS service was unavailable, even after several attempts.\n\n"
        "File: in/a<b>.csv\n"
        "Readings stored: 8\n"
        "Duplicate rows: 1\n"
        "Rejected rows: 2, see s3://target/rejected/in/a<b>.csv.csv\n"
        "Not done: The file was not moved.\n"
        "Location: s3://source/in/a<b>.csv (version v1)\n"
        "Reason: S3 was unavailable.\n"
        "Error: AwsUnavailableError\n"
        f"Execution: {EXECUTION}\n\n"
        "What to do: Do not upload the file again: its readings are stored. When the cause is "
        "corrected, the operator of this service starts an execution with the same input. It "
        "stores the same readings again, which changes nothing, and moves the file.\n"
    )


@pytest.mark.parametrize(
    ("locations", "not_done", "advice"),
    [
        pytest.param(
            FileLocations(source=SOURCE_LOCATION, processed=PROCESSED_LOCATION),
            "The file was copied, but not deleted from the source bucket.",
            "Do not upload",
            id="copied",
        ),
        pytest.param(
            FileLocations(processed=PROCESSED_LOCATION),
            "Nothing. The file was moved, but the function ended before it could report that.",
            "Nothing.",
            id="moved",
        ),
        pytest.param(
            FileLocations(processed=PROCESSED_LOCATION, unknown=("s3://source/… : no response",)),
            "It is unknown whether the file was moved.",
            "Do not upload",
            id="unknown",
        ),
        pytest.param(FileLocations(), "The file was not moved.", "Nothing, unless", id="gone"),
    ],
)
def test_the_report_says_what_was_not_done(
    locations: FileLocations, not_done: str, advice: str
) -> None:
    report = move_failure_report(NOT_MOVED, locations)
    assert report.facts["Not done"] == not_done
    assert report.advice.startswith(f"What to do: {advice}")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param({"Error": "X", "Cause": "plain text"}, "plain text", id="no-json"),
        pytest.param({"Error": "X", "Cause": "[1]"}, "[1]", id="other-json"),
        pytest.param({"Error": "X"}, "No reason was given.", id="no-cause"),
        pytest.param({"Error": "X", "Cause": ""}, "No reason was given.", id="empty-cause"),
        pytest.param({"Error": "X", "Cause": "x" * 5000}, "x" * 1000 + "…", id="very-long"),
        pytest.param({}, "No reason was given.", id="nothing"),
    ],
)
def test_the_reason_comes_from_the_cause(failure: dict[str, str], reason: str) -> None:
    report = failure_report(FAILED | {"failure": failure}, QUARANTINED)
    assert report.facts["Reason"] == reason
    assert "An unexpected error occurred." in report.summary


@pytest.mark.parametrize(
    "error",
    [
        error.__name__
        for error in vars(errors).values()
        if isinstance(error, type)
        and error.__module__ == errors.__name__
        # There is no report without an execution, or about the report itself.
        and error not in (errors.ExecutionNotStartedError, errors.EmailOutcomeUnknownError)
    ],
)
def test_each_error_of_the_workflow_has_an_explanation(error: str) -> None:
    assert error in reports._EXPLANATIONS


@pytest.mark.parametrize("missing", ["source", "ingestion", "moved"])
def test_an_event_with_a_missing_field_is_refused(missing: str) -> None:
    event = {name: value for name, value in PROCESSED.items() if name != missing}
    with pytest.raises(InvalidEventError, match=missing):
        processed_report(event)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mail, str]]:
    mails: list[tuple[Mail, str]] = []

    def record(mail: Mail, *, key: str, execution: str | None) -> dict[str, str]:
        mails.append((mail, key))
        return {"status": "sent"}

    monkeypatch.setattr(reports, "send_once", record)
    monkeypatch.setenv("EMAIL_FROM", "from@example.com")
    monkeypatch.setenv("EMAIL_TO", "to@example.com")
    return mails


def test_each_kind_of_report_of_an_execution_has_its_own_key(sent: list[tuple[Mail, str]]) -> None:
    send(processed_report(PROCESSED), PROCESSED)
    send(failure_report(FAILED, QUARANTINED), FAILED)
    send(move_failure_report(NOT_MOVED, FileLocations()), NOT_MOVED)
    assert [mail.subject for mail, _ in sent] == [
        "File processed",
        "File not processed",
        "File processed, but moving it failed",
    ]
    assert {(mail.sender, mail.recipient) for mail, _ in sent} == {
        ("from@example.com", "to@example.com")
    }
    keys = [key for _, key in sent]
    assert len(set(keys)) == 3
    assert all(EXECUTION in key for key in keys)


def test_without_an_execution_the_key_is_the_object(sent: list[tuple[Mail, str]]) -> None:
    without_execution = {name: value for name, value in PROCESSED.items() if name != "execution"}
    other = without_execution | {"source": SOURCE | {"versionId": "v2"}}
    for event in (without_execution, without_execution, other):
        send(processed_report(event), event)
    first, second, third = (key for _, key in sent)
    assert first == second != third


@pytest.mark.parametrize(
    ("report", "event_of_report"),
    [(processed_report, PROCESSED), (lambda event: failure_report(event, QUARANTINED), FAILED)],
    ids=["processed", "failed"],
)
def test_control_characters_of_a_key_are_removed(
    report: Any, event_of_report: dict[str, Any]
) -> None:
    key = "a.csv\r\nLocation: nowhere\u2028\u202e\x1b.csv"
    source = SOURCE | {"objectKey": key}
    event = event_of_report | {
        "source": source,
        "moved": PROCESSED["moved"] | {"objectKey": f"processed/{key}"},
        "quarantine": FAILED["quarantine"] | {"objectKey": f"failed/{key}"},
    }

    text, page = report(event).text(), report(event).html()

    assert "File: a.csv Location: nowhere .csv" in text.splitlines()
    assert len(text.splitlines()) == len(report(event | {"source": SOURCE}).text().splitlines())
    for character in "\r\u2028\u202e\x1b":
        assert character not in text + page


def test_a_fact_has_a_bounded_length() -> None:
    failure = {"Error": "x" * 100_000, "Cause": "y" * 100_000}

    assert len(failure_report(FAILED | {"failure": failure}, QUARANTINED).text()) < 10_000
