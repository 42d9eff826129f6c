"""A mail is sent at most once for a key, whatever happens in between."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from moto import mock_aws

from handlers.shared import clients, mail
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.mail import Mail, send_once
from tests.unit.fakes import answer

URL = "https://email.us-east-1.amazonaws.com"
LETTER = Mail("from@example.com", "to@example.com", "Über", "text", "<p>html</p>")


@dataclass
class FakeSes:
    """Answers as it is told; `sent` is what it was asked to send."""

    answers: list[BaseException | None] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def send_email(self, **request: Any) -> dict[str, str]:
        self.sent.append(request)
        if self.answers and (error := self.answers.pop(0)):
            raise error
        return {"MessageId": f"message-{len(self.sent)}"}


class Killed(BaseException):
    """The Lambda's end in the middle of a call: no handler of exceptions runs."""


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The table of mails, empty."""
    monkeypatch.setenv("EMAIL_LOG_TABLE", "emails")
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName="emails",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        yield dynamodb


@pytest.fixture
def ses(log: Any, monkeypatch: pytest.MonkeyPatch) -> FakeSes:
    fake = FakeSes()
    monkeypatch.setattr(
        mail, "client", lambda service: fake if service == "ses" else clients.client(service)
    )
    return fake


def test_a_mail_is_sent_as_text_and_html(ses: FakeSes) -> None:
    # When a mail is sent
    assert send_once(LETTER, key="execution-1") == {"status": "sent", "messageId": "message-1"}

    # Then SES has it
    assert ses.sent == [
        {
            "Source": "from@example.com",
            "Destination": {"ToAddresses": ["to@example.com"]},
            "Message": {
                "Subject": {"Data": "Über", "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": "text", "Charset": "UTF-8"},
                    "Html": {"Data": "<p>html</p>", "Charset": "UTF-8"},
                },
            },
        }
    ]


def test_a_repetition_gives_the_first_outcome_and_sends_nothing(ses: FakeSes) -> None:
    first = send_once(LETTER, key="execution-1")
    assert send_once(LETTER, key="execution-1") == first
    assert len(ses.sent) == 1


def test_another_key_is_another_mail(ses: FakeSes) -> None:
    send_once(LETTER, key="execution-1")
    send_once(LETTER, key="execution-2")
    assert len(ses.sent) == 2


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        pytest.param(answer("Throttling"), AwsUnavailableError, id="throttled"),
        pytest.param(
            EndpointConnectionError(endpoint_url=URL), AwsUnavailableError, id="not-reached"
        ),
        pytest.param(
            ConnectTimeoutError(endpoint_url=URL), AwsUnavailableError, id="connect-timeout"
        ),
        pytest.param(answer("MessageRejected"), ClientError, id="rejected"),
        pytest.param(answer("AccessDenied", 403), ClientError, id="access-denied"),
    ],
)
def test_what_ses_surely_refused_is_sent_by_a_retry_once(
    ses: FakeSes, refusal: Exception, raised: type[Exception]
) -> None:
    # Given SES that refuses the first time
    ses.answers = [refusal]
    with pytest.raises(raised):
        send_once(LETTER, key="execution-1")

    # When the task is retried, twice
    outcomes = [send_once(LETTER, key="execution-1") for _ in range(2)]

    # Then the mail is accepted once
    assert outcomes == [{"status": "sent", "messageId": "message-2"}] * 2
    assert len(ses.sent) == 2


@pytest.mark.parametrize(
    "silence",
    [
        pytest.param(ReadTimeoutError(endpoint_url=URL), id="read-timeout"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), id="connection-closed"),
        pytest.param(answer("InternalFailure", 500), id="status-500"),
        pytest.param(answer("ServiceUnavailable", 503), id="status-503"),
    ],
)
def test_what_ses_may_have_accepted_is_never_sent_again(ses: FakeSes, silence: Exception) -> None:
    # Given SES that does not say
    ses.answers = [silence]

    # When the mail is sent, and again
    outcomes = [send_once(LETTER, key="execution-1") for _ in range(2)]

    # Then there was one attempt
    assert outcomes == [{"status": "unknown"}] * 2
    assert len(ses.sent) == 1


def test_a_killed_attempt_is_not_repeated(ses: FakeSes) -> None:
    # Given a Lambda that dies while SES is being called
    ses.answers = [Killed()]
    with pytest.raises(Killed):
        send_once(LETTER, key="execution-1")

    # When the task is retried, then nothing is sent
    assert send_once(LETTER, key="execution-1") == {"status": "unknown"}
    assert len(ses.sent) == 1


def test_a_mail_whose_outcome_cannot_be_noted_is_not_sent_again(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that fails just after the mail was sent
    dynamodb = clients.client("dynamodb")

    def fail(**_: Any) -> None:
        raise answer("InternalServerError", 500)

    with monkeypatch.context() as broken:
        broken.setattr(dynamodb, "update_item", fail)
        # When it is sent, then the caller learns that it was
        assert send_once(LETTER, key="execution-1")["status"] == "sent"

    # And a retry sends nothing
    assert send_once(LETTER, key="execution-1") == {"status": "unknown"}
    assert len(ses.sent) == 1


def test_nothing_is_sent_while_it_cannot_be_noted(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that does not answer
    def fail(**_: Any) -> None:
        raise answer("ThrottlingException")

    with monkeypatch.context() as broken:
        broken.setattr(clients.client("dynamodb"), "put_item", fail)
        with pytest.raises(AwsUnavailableError):
            send_once(LETTER, key="execution-1")
    assert ses.sent == []

    # When it answers again, then a retry sends
    assert send_once(LETTER, key="execution-1")["status"] == "sent"


def test_a_record_holds_no_address_and_expires(ses: FakeSes, log: Any) -> None:
    send_once(LETTER, key="execution-1")
    (item,) = log.scan(TableName="emails")["Items"]
    assert item["status"] == {"S": "COMPLETED"}
    assert "expiration" in item
    assert "example.com" not in str(item)


def test_a_subject_is_one_line(ses: FakeSes) -> None:
    subject = "Document 3\r\nBcc: eve@example.com \u202e" + "x" * 1000

    send_once(replace(LETTER, subject=subject), key="a")

    (sent,) = ses.sent
    line = sent["Message"]["Subject"]["Data"]
    assert line.startswith("Document 3 Bcc: eve@example.com xxx")
    assert len(line) == mail.MAX_SUBJECT
