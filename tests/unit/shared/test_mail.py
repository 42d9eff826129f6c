"""A mail is sent at most once for a key, whatever happens in between."""

import time
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
from botocore.parsers import ResponseParserError
from moto import mock_aws
from urllib3.exceptions import ProtocolError

from handlers.shared import clients, mail
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.mail import Mail, send_once
from tests.support.engine import TaskError
from tests.support.faults import EVERY, Fault, Kind, injected
from tests.unit.fakes import client_error

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
        pytest.param(client_error("Throttling"), AwsUnavailableError, id="throttled"),
        pytest.param(
            EndpointConnectionError(endpoint_url=URL), AwsUnavailableError, id="not-reached"
        ),
        pytest.param(
            ConnectTimeoutError(endpoint_url=URL), AwsUnavailableError, id="connect-timeout"
        ),
        pytest.param(client_error("MessageRejected"), ClientError, id="rejected"),
        pytest.param(client_error("AccessDenied", 403), ClientError, id="access-denied"),
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
        pytest.param(ProtocolError("IncompleteRead"), id="half-an-answer"),
        pytest.param(ResponseParserError("no XML"), id="unreadable-answer"),
        pytest.param(client_error("InternalFailure", 500), id="status-500"),
        pytest.param(client_error("ServiceUnavailable", 503), id="status-503"),
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
        raise client_error("InternalServerError", 500)

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
        raise client_error("ThrottlingException")

    with monkeypatch.context() as broken:
        broken.setattr(clients.client("dynamodb"), "put_item", fail)
        with pytest.raises(AwsUnavailableError):
            send_once(LETTER, key="execution-1")
    assert ses.sent == []

    # When it answers again, then a retry sends
    assert send_once(LETTER, key="execution-1")["status"] == "sent"


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_a_mail_is_sent_although_an_answer_of_the_log_is_lost(
    ses: FakeSes, log: Any, operation: str
) -> None:
    # Given a write that takes effect and whose answer does not arrive, so that the SDK repeats it
    with injected(Fault(Kind.RESPONSE_LOST, operation)) as network:
        outcome = send_once(LETTER, key="execution-1")

    # Then the attempt recognises its own record
    assert network.calls.count(operation) == 2
    assert outcome == {"status": "sent", "messageId": "message-1"}
    assert len(ses.sent) == 1
    assert record(log)["status"] == {"S": "COMPLETED"}

    # And a retry of the task sends nothing
    assert send_once(LETTER, key="execution-1") == outcome
    assert len(ses.sent) == 1


def test_a_refused_mail_is_sent_by_a_retry_although_an_answer_of_the_log_is_lost(
    ses: FakeSes, log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # Given SES that refuses the first time, and a removal of the record whose answer is lost
    ses.answers = [client_error("Throttling")]
    with (
        injected(Fault(Kind.RESPONSE_LOST, "DeleteItem")) as network,
        pytest.raises(AwsUnavailableError),
    ):
        send_once(LETTER, key="execution-1")
    assert network.calls.count("DeleteItem") == 2
    assert "stays" not in caplog.text  # the removal recognises itself

    # When the task is retried, then it sends
    assert send_once(LETTER, key="execution-1")["status"] == "sent"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(Kind.KILLED_BEFORE, "PutItem"), id="before-the-record"),
        pytest.param(Fault(Kind.KILLED_AFTER, "PutItem"), id="after-the-record"),
        pytest.param(Fault(Kind.KILLED_BEFORE, "UpdateItem"), id="after-ses"),
        pytest.param(Fault(Kind.KILLED_AFTER, "UpdateItem"), id="after-the-outcome"),
    ],
)
def test_what_a_retry_knows_after_a_kill(ses: FakeSes, log: Any, fault: Fault) -> None:
    # Given an attempt that is killed somewhere
    with injected(fault) as network, pytest.raises(TaskError, match="killed"):
        network.invoke(lambda event, _: send_once(LETTER, key=event), "execution-1", None)

    # When the task is retried
    outcome = send_once(LETTER, key="execution-1")

    # Then what it says is true, and at most one mail is out
    assert len(ses.sent) <= 1
    if fault.kind is Kind.KILLED_BEFORE and fault.operation == "PutItem":
        assert outcome == {"status": "sent", "messageId": "message-1"}
        assert len(ses.sent) == 1
    elif fault.kind is Kind.KILLED_AFTER and fault.operation == "UpdateItem":
        assert outcome == {"status": "sent", "messageId": "message-1"}
    else:
        assert outcome == {"status": "unknown"}


def test_a_fault_of_ours_after_ses_was_called_frees_nothing(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an answer of SES that we stumble over
    with monkeypatch.context() as broken:
        broken.setattr(ses, "send_email", lambda **_: {})
        with pytest.raises(KeyError):
            send_once(LETTER, key="execution-1")

    # Then the mail may be out, and is not sent again
    assert send_once(LETTER, key="execution-1") == {"status": "unknown"}
    assert ses.sent == []


@pytest.mark.parametrize("refusal", ["Throttling", "MessageRejected"])
def test_a_record_that_cannot_be_removed_hides_no_refusal(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    # Given SES that refuses, and a log that does not let go of the record
    ses.answers = [client_error(refusal)]
    with (
        injected(Fault(Kind.REFUSED, "DeleteItem", times=EVERY)),
        pytest.raises((AwsUnavailableError, ClientError), match=refusal),
    ):
        send_once(LETTER, key="execution-1")

    # Then a retry does not know, and says so
    assert send_once(LETTER, key="execution-1") == {"status": "unknown"}
    assert len(ses.sent) == 1


def test_a_log_whose_answers_are_all_lost_is_an_outage_and_nothing_is_sent(
    ses: FakeSes, log: Any
) -> None:
    # Given a record that is written, and a log that never says so
    with (
        injected(Fault(Kind.RESPONSE_LOST, "PutItem", times=EVERY)),
        pytest.raises(AwsUnavailableError, match="noting a mail"),
    ):
        send_once(LETTER, key="execution-1")
    assert ses.sent == []

    # When the task is retried, then the mail is sent: the attempt took its record back
    assert send_once(LETTER, key="execution-1")["status"] == "sent"


def test_an_expired_record_is_none(ses: FakeSes, log: Any) -> None:
    # Given a record that DynamoDB should have removed: it takes days to
    send_once(LETTER, key="execution-1")
    log.update_item(
        TableName="emails",
        Key={"id": record(log)["id"]},
        UpdateExpression="SET expiration = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )

    # When the same key comes again, then it is a new mail
    assert send_once(LETTER, key="execution-1")["messageId"] == "message-2"


def test_only_its_own_attempt_writes_an_outcome(ses: FakeSes, log: Any) -> None:
    """A killed attempt's record that a person removed: the next attempt sends."""
    with (
        injected(Fault(Kind.KILLED_AFTER, "PutItem")) as network,
        pytest.raises(TaskError),
    ):
        network.invoke(lambda event, _: send_once(LETTER, key=event), "execution-1", None)
    log.delete_item(TableName="emails", Key={"id": record(log)["id"]})

    assert send_once(LETTER, key="execution-1")["status"] == "sent"


def test_a_record_holds_no_address_and_expires(ses: FakeSes, log: Any) -> None:
    send_once(LETTER, key="execution-1")
    item = record(log)
    assert item["status"] == {"S": "COMPLETED"}
    days = (int(item["expiration"]["N"]) - time.time()) / (24 * 3600)
    assert days == pytest.approx(90, abs=0.1)
    assert "example.com" not in str(item)


def test_a_subject_is_one_line(ses: FakeSes) -> None:
    subject = "Document 3\r\nBcc: eve@example.com \u202e" + "x" * 1000

    send_once(replace(LETTER, subject=subject), key="a")

    (sent,) = ses.sent
    line = sent["Message"]["Subject"]["Data"]
    assert line.startswith("Document 3 Bcc: eve@example.com xxx")
    assert len(line) == mail.MAX_SUBJECT


def record(log: Any) -> dict[str, Any]:
    (item,) = log.scan(TableName="emails")["Items"]
    found: dict[str, Any] = item
    return found
