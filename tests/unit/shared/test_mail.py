"""A mail is sent at most once for a key, even after errors and kills."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

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
from tests.support.aws_clients import aws_client
from tests.support.engine import TaskError
from tests.support.faults import EVERY, Fault, Kind, injected
from tests.unit.fakes import client_error

URL = "https://email.us-east-1.amazonaws.com"
MAIL = Mail("from@example.com", "to@example.com", "Über", "text", "<p>html</p>")


@dataclass
class FakeSes:
    """Raises the errors in `errors` in turn; `requests` has all requests."""

    errors: list[BaseException | None] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def send_email(self, **request: Any) -> dict[str, str]:
        self.requests.append(request)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return {"MessageId": f"message-{len(self.requests)}"}


class Killed(BaseException):
    """Lambda ends the function during a call: no exception handler runs."""


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The empty table of the mail log."""
    monkeypatch.setenv("EMAIL_LOG_TABLE", "emails")
    with mock_aws():
        dynamodb = aws_client("dynamodb")
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
    assert send_once(MAIL, key="execution-1") == {"status": "sent", "messageId": "message-1"}

    # Then SES receives the request
    assert ses.requests == [
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


def test_a_repeated_call_returns_the_first_outcome(ses: FakeSes) -> None:
    first = send_once(MAIL, key="execution-1")
    assert send_once(MAIL, key="execution-1") == first
    assert len(ses.requests) == 1


def test_another_key_is_another_mail(ses: FakeSes) -> None:
    send_once(MAIL, key="execution-1")
    send_once(MAIL, key="execution-2")
    assert len(ses.requests) == 2


@pytest.mark.parametrize(
    ("ses_error", "raised"),
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
def test_a_mail_that_was_certainly_not_sent_is_sent_by_a_retry(
    ses: FakeSes, ses_error: Exception, raised: type[Exception]
) -> None:
    # Given SES that refuses the first mail
    ses.errors = [ses_error]
    with pytest.raises(raised):
        send_once(MAIL, key="execution-1")

    # When the task is retried, twice
    outcomes = [send_once(MAIL, key="execution-1") for _ in range(2)]

    # Then the mail is accepted once
    assert outcomes == [{"status": "sent", "messageId": "message-2"}] * 2
    assert len(ses.requests) == 2


@pytest.mark.parametrize(
    "ses_error",
    [
        pytest.param(ReadTimeoutError(endpoint_url=URL), id="read-timeout"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), id="connection-closed"),
        pytest.param(ProtocolError("IncompleteRead"), id="incomplete-response"),
        pytest.param(ResponseParserError("no XML"), id="unreadable-response"),
        pytest.param(client_error("InternalFailure", 500), id="status-500"),
        pytest.param(client_error("ServiceUnavailable", 503), id="status-503"),
    ],
)
def test_a_mail_that_may_have_been_sent_is_not_sent_again(
    ses: FakeSes, ses_error: Exception
) -> None:
    # Given SES that does not confirm the mail
    ses.errors = [ses_error]

    # When the mail is sent, and again
    outcomes = [send_once(MAIL, key="execution-1") for _ in range(2)]

    # Then there was one attempt
    assert outcomes == [{"status": "unknown"}] * 2
    assert len(ses.requests) == 1


def test_the_mail_of_a_killed_attempt_is_not_sent_again(ses: FakeSes) -> None:
    # Given a function that is killed while it calls SES
    ses.errors = [Killed()]
    with pytest.raises(Killed):
        send_once(MAIL, key="execution-1")

    # When the task is retried, then nothing is sent
    assert send_once(MAIL, key="execution-1") == {"status": "unknown"}
    assert len(ses.requests) == 1


def test_a_mail_whose_outcome_cannot_be_recorded_is_not_sent_again(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that fails just after the mail was sent
    dynamodb = clients.client("dynamodb")

    def fail(**_: Any) -> None:
        raise client_error("InternalServerError", 500)

    with monkeypatch.context() as broken:
        broken.setattr(dynamodb, "update_item", fail)
        # When it is sent, then the outcome is returned
        assert send_once(MAIL, key="execution-1")["status"] == "sent"

    # And a retry sends nothing
    assert send_once(MAIL, key="execution-1") == {"status": "unknown"}
    assert len(ses.requests) == 1


def test_a_mail_that_cannot_be_recorded_is_not_sent(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that throttles
    def fail(**_: Any) -> None:
        raise client_error("ThrottlingException")

    with monkeypatch.context() as broken:
        broken.setattr(clients.client("dynamodb"), "put_item", fail)
        with pytest.raises(AwsUnavailableError):
            send_once(MAIL, key="execution-1")
    assert ses.requests == []

    # When it responds again, then a retry sends the mail
    assert send_once(MAIL, key="execution-1")["status"] == "sent"


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_a_lost_response_of_the_log_does_not_prevent_the_mail(
    ses: FakeSes, log: Any, operation: str
) -> None:
    # Given a write whose response is lost, so that the SDK repeats it
    with injected(Fault(Kind.RESPONSE_LOST, operation)) as network:
        outcome = send_once(MAIL, key="execution-1")

    # Then the attempt recognises its own record
    assert network.calls.count(operation) == 2
    assert outcome == {"status": "sent", "messageId": "message-1"}
    assert len(ses.requests) == 1
    assert record(log)["status"] == {"S": "COMPLETED"}

    # And a retry of the task sends nothing
    assert send_once(MAIL, key="execution-1") == outcome
    assert len(ses.requests) == 1


def test_a_lost_response_to_removing_a_record_does_not_prevent_the_retry(
    ses: FakeSes, log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # Given SES that refuses the first mail, and a removal of the record whose response is lost
    ses.errors = [client_error("Throttling")]
    with (
        injected(Fault(Kind.RESPONSE_LOST, "DeleteItem")) as network,
        pytest.raises(AwsUnavailableError),
    ):
        send_once(MAIL, key="execution-1")
    assert network.calls.count("DeleteItem") == 2
    assert "not removed" not in caplog.text  # the repeated removal is recognised

    # When the task is retried, then it sends
    assert send_once(MAIL, key="execution-1")["status"] == "sent"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(Kind.KILLED_BEFORE, "PutItem"), id="before-the-record"),
        pytest.param(Fault(Kind.KILLED_AFTER, "PutItem"), id="after-the-record"),
        pytest.param(Fault(Kind.KILLED_BEFORE, "UpdateItem"), id="after-ses"),
        pytest.param(Fault(Kind.KILLED_AFTER, "UpdateItem"), id="after-the-outcome"),
    ],
)
def test_a_retry_after_a_kill_returns_a_true_outcome(ses: FakeSes, log: Any, fault: Fault) -> None:
    # Given an attempt that is killed
    with injected(fault) as network, pytest.raises(TaskError, match="killed"):
        network.invoke(lambda event, _: send_once(MAIL, key=event), "execution-1", None)

    # When the task is retried
    outcome = send_once(MAIL, key="execution-1")

    # Then its outcome is true, and at most one mail was sent
    assert len(ses.requests) <= 1
    if fault.kind is Kind.KILLED_BEFORE and fault.operation == "PutItem":
        assert outcome == {"status": "sent", "messageId": "message-1"}
        assert len(ses.requests) == 1
    elif fault.kind is Kind.KILLED_AFTER and fault.operation == "UpdateItem":
        assert outcome == {"status": "sent", "messageId": "message-1"}
    else:
        assert outcome == {"status": "unknown"}


def test_a_bug_after_the_call_to_ses_keeps_the_record(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a response of SES that raises an error in our code
    with monkeypatch.context() as broken:
        broken.setattr(ses, "send_email", lambda **_: {})
        with pytest.raises(KeyError):
            send_once(MAIL, key="execution-1")

    # Then the mail may have been sent, and is not sent again
    assert send_once(MAIL, key="execution-1") == {"status": "unknown"}
    assert ses.requests == []


@pytest.mark.parametrize("ses_error", ["Throttling", "MessageRejected"])
def test_a_failed_removal_of_a_record_does_not_hide_the_error_of_ses(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch, ses_error: str
) -> None:
    # Given SES that refuses the mail, and a log that cannot remove the record
    ses.errors = [client_error(ses_error)]
    with (
        injected(Fault(Kind.REFUSED, "DeleteItem", times=EVERY)),
        pytest.raises((AwsUnavailableError, ClientError), match=ses_error),
    ):
        send_once(MAIL, key="execution-1")

    # Then the outcome of a retry is unknown
    assert send_once(MAIL, key="execution-1") == {"status": "unknown"}
    assert len(ses.requests) == 1


def test_if_all_responses_of_the_log_are_lost_no_mail_is_sent(ses: FakeSes, log: Any) -> None:
    # Given a record that is written, although every response is lost
    with (
        injected(Fault(Kind.RESPONSE_LOST, "PutItem", times=EVERY)),
        pytest.raises(AwsUnavailableError, match="recording a mail"),
    ):
        send_once(MAIL, key="execution-1")
    assert ses.requests == []

    # When the task is retried, then the mail is sent: the first attempt has removed its record
    assert send_once(MAIL, key="execution-1")["status"] == "sent"


def test_an_expired_record_is_ignored(ses: FakeSes, log: Any) -> None:
    # Given an expired record that DynamoDB has not yet removed
    send_once(MAIL, key="execution-1")
    log.update_item(
        TableName="emails",
        Key={"id": record(log)["id"]},
        UpdateExpression="SET expiration = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )

    # When the same key is used again, then a new mail is sent
    assert send_once(MAIL, key="execution-1")["messageId"] == "message-2"


def test_a_mail_is_sent_after_its_record_was_deleted(ses: FakeSes, log: Any) -> None:
    """A person removes the record of a killed attempt; the next attempt sends the mail."""
    with (
        injected(Fault(Kind.KILLED_AFTER, "PutItem")) as network,
        pytest.raises(TaskError),
    ):
        network.invoke(lambda event, _: send_once(MAIL, key=event), "execution-1", None)
    log.delete_item(TableName="emails", Key={"id": record(log)["id"]})

    assert send_once(MAIL, key="execution-1")["status"] == "sent"


def test_a_record_has_no_address_and_expires(ses: FakeSes, log: Any) -> None:
    send_once(MAIL, key="execution-1")
    item = record(log)
    assert item["status"] == {"S": "COMPLETED"}
    days = (int(item["expiration"]["N"]) - time.time()) / (24 * 3600)
    assert days == pytest.approx(90, abs=0.1)
    assert "example.com" not in str(item)


def test_a_subject_is_one_line(ses: FakeSes) -> None:
    subject = "Document 3\r\nBcc: eve@example.com \u202e" + "x" * 1000

    send_once(replace(MAIL, subject=subject), key="a")

    (sent,) = ses.requests
    line = sent["Message"]["Subject"]["Data"]
    assert line.startswith("Document 3 Bcc: eve@example.com xxx")
    assert len(line) == mail.MAX_SUBJECT


def record(log: Any) -> dict[str, Any]:
    (item,) = log.scan(TableName="emails")["Items"]
    record_: dict[str, Any] = item
    return record_


def test_the_log_has_the_id_and_the_execution_of_a_mail_that_was_sent(
    ses: FakeSes, log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sent = send_once(MAIL, key="key", execution="arn:execution")

    lines = [vars(record) for record in caplog.records if record.msg == "mail sent"]
    assert [(line["message_id"], line["execution"]) for line in lines] == [
        (sent["messageId"], "arn:execution")
    ]
