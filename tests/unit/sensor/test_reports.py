"""What the e-mails say."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from handlers.sensor import errors, reports
from handlers.sensor.reports import failure_report, processed_report, send
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
    "setAside": {"moved": True, "bucketName": "target", "objectKey": "failed/in/a<b>.csv"},
}


class Words(HTMLParser):
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


def test_a_processed_file() -> None:
    report = processed_report(PROCESSED)
    assert report.subject == "File processed"
    assert report.text() == (
        "in/a<b>.csv was processed.\n\n"
        "File: in/a<b>.csv\n"
        "Now at: s3://target/processed/in/a<b>.csv\n"
        "Readings stored: 8\n"
        "Duplicate rows: 1\n"
        "Rejected rows: 2, see s3://target/rejected/in/a<b>.csv.csv\n"
        "Sensors: 3\n"
        "First reading: 0001-01-01T00:00:00Z\n"
        "Last reading: 2017-01-08T20:12:46Z\n"
        "Time taken: 0.412 s\n"
    )


def test_a_processed_file_without_rejected_rows() -> None:
    ingestion = INGESTION | {"rejected": 0}
    del ingestion["rejectedKey"]
    report = processed_report(PROCESSED | {"ingestion": ingestion})
    assert report.facts["Rejected rows"] == "0"


@pytest.mark.parametrize(
    "report", [processed_report(PROCESSED), failure_report(FAILED)], ids=["processed", "failed"]
)
def test_the_page_says_the_same_as_the_text_and_no_key_becomes_markup(
    report: reports.Report,
) -> None:
    page = Words(report.html())
    words = " ".join(page.text)
    for value in (report.lead, *report.facts, *report.facts.values(), report.advice):
        assert value in words
    assert "b" not in page.tags


def test_a_file_that_failed() -> None:
    report = failure_report(FAILED)
    assert report.subject == "File not processed"
    assert report.text() == (
        "in/a<b>.csv could not be processed. The file has no valid reading.\n\n"
        "File: in/a<b>.csv\n"
        "Reason: s3://source/in/a<b>.csv has no rows.\n"
        "Where it is now: s3://target/failed/in/a<b>.csv\n"
        "Error: NoValidReadingsError\n"
        f"Execution: {EXECUTION}\n\n"
        "What to do: Each row should be <SENSOR_UID>,<TIMESTAMP>,<VALUE>, the time in whole "
        "seconds since 1970. Correct the rows and upload the file again.\n"
    )


@pytest.mark.parametrize(
    ("set_aside", "place"),
    [
        pytest.param(
            {"moved": False, "reason": "There is no s3://source/in/a<b>.csv."},
            "Nothing was moved. There is no s3://source/in/a<b>.csv.",
            id="nothing-to-move",
        ),
        pytest.param(
            {"Error": "AwsUnavailableError", "Cause": '{"errorMessage": "S3 was away."}'},
            "Still at s3://source/in/a<b>.csv: it could not be moved either. S3 was away.",
            id="not-moved",
        ),
    ],
)
def test_where_the_file_is(set_aside: dict[str, Any], place: str) -> None:
    assert failure_report(FAILED | {"setAside": set_aside}).facts["Where it is now"] == place


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param({"Error": "X", "Cause": "plain words"}, "plain words", id="no-json"),
        pytest.param({"Error": "X", "Cause": "[1]"}, "[1]", id="other-json"),
        pytest.param({"Error": "X"}, "No reason was given.", id="no-cause"),
        pytest.param({"Error": "X", "Cause": ""}, "No reason was given.", id="empty-cause"),
        pytest.param({"Error": "X", "Cause": "x" * 5000}, "x" * 1000 + "…", id="very-long"),
        pytest.param({}, "No reason was given.", id="nothing"),
    ],
)
def test_the_reason(failure: dict[str, str], reason: str) -> None:
    report = failure_report(FAILED | {"failure": failure})
    assert report.facts["Reason"] == reason
    assert "Something unexpected happened." in report.lead


@pytest.mark.parametrize(
    "error",
    [
        error.__name__
        for error in vars(errors).values()
        if isinstance(error, type)
        and error.__module__ == errors.__name__
        # without an execution there is no report
        and error is not errors.ExecutionNotStartedError
    ],
)
def test_each_of_our_errors_is_explained(error: str) -> None:
    assert error in reports._EXPLANATIONS


@pytest.mark.parametrize("missing", ["source", "ingestion", "moved"])
def test_an_event_without_a_part_is_refused(missing: str) -> None:
    event = {name: value for name, value in PROCESSED.items() if name != missing}
    with pytest.raises(InvalidEventError, match=missing):
        processed_report(event)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mail, str]]:
    mails: list[tuple[Mail, str]] = []

    def remember(mail: Mail, *, key: str) -> dict[str, str]:
        mails.append((mail, key))
        return {"status": "sent"}

    monkeypatch.setattr(reports, "send_once", remember)
    monkeypatch.setenv("EMAIL_FROM", "from@example.com")
    monkeypatch.setenv("EMAIL_TO", "to@example.com")
    return mails


def test_a_report_is_sent_once_for_an_execution_and_kind(sent: list[tuple[Mail, str]]) -> None:
    send(processed_report(PROCESSED), PROCESSED)
    send(failure_report(FAILED), FAILED)
    assert [mail.subject for mail, _ in sent] == ["File processed", "File not processed"]
    assert {(mail.sender, mail.recipient) for mail, _ in sent} == {
        ("from@example.com", "to@example.com")
    }
    keys = [key for _, key in sent]
    assert len(set(keys)) == 2
    assert all(EXECUTION in key for key in keys)


def test_without_an_execution_the_object_is_the_key(sent: list[tuple[Mail, str]]) -> None:
    by_hand = {name: value for name, value in PROCESSED.items() if name != "execution"}
    other = by_hand | {"source": SOURCE | {"versionId": "v2"}}
    for event in (by_hand, by_hand, other):
        send(processed_report(event), event)
    first, second, third = (key for _, key in sent)
    assert first == second != third


@pytest.mark.parametrize("report", [processed_report, failure_report])
def test_a_key_adds_no_line_to_a_mail_and_turns_none_around(report: Any) -> None:
    key = "a.csv\r\nWhere it is now: nowhere\u2028\u202e\x1b.csv"
    source = SOURCE | {"objectKey": key}
    event = (PROCESSED if report is processed_report else FAILED) | {
        "source": source,
        "moved": PROCESSED["moved"] | {"objectKey": f"processed/{key}"},
        "setAside": FAILED["setAside"] | {"objectKey": f"failed/{key}"},
    }

    text, page = report(event).text(), report(event).html()

    assert "File: a.csv Where it is now: nowhere .csv" in text.splitlines()
    assert len(text.splitlines()) == len(report(event | {"source": SOURCE}).text().splitlines())
    for character in "\r\u2028\u202e\x1b":
        assert character not in text + page


def test_a_fact_has_a_bounded_length() -> None:
    failure = {"Error": "x" * 100_000, "Cause": "y" * 100_000}

    assert len(failure_report(FAILED | {"failure": failure}).text()) < 10_000
