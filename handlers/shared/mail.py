"""Mail through SES, at most once."""

from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)

from handlers.shared import settings
from handlers.shared.clients import client
from handlers.shared.email_log import Claim, EarlierAttempt, EmailLog
from handlers.shared.errors import AwsUnavailableError, http_status, translate_aws_errors
from handlers.shared.observability import logger_for, measure
from handlers.shared.text import one_line

logger = logger_for("mail")

MAX_SUBJECT = 200  # characters; mail programs show no more


@dataclass(frozen=True)
class Mail:
    """A mail to one recipient, as text and as HTML.

    The subject is sent as one line. Pass text from outside through `one_line` before you use it in
    a body.
    """

    sender: str
    recipient: str
    subject: str
    text: str
    html: str


def send_once(mail: Mail, *, key: str, execution: str | None = None) -> dict[str, str]:
    """Send a mail at most once for a key, even if calls are repeated or concurrent.

    The log has the mail's id with the execution to which it belongs.

    Returns {"status": "sent", "messageId": …} if SES accepted the mail, in this attempt or an
    earlier one. Returns {"status": "unknown"} if this or an earlier attempt ended without a
    response from SES: the mail may or may not have been sent, and is not sent again. Raises if SES
    definitely did not accept the mail: AwsUnavailableError if SES was throttling or unreachable,
    otherwise SES's own error. The key is then free, and a retry sends the mail.

    The record of a key is written before the mail is sent. It is removed only if SES did not accept
    the mail. If an attempt is killed in between, the record stays "in progress".

    Records stay in the table EMAIL_LOG_TABLE for 90 days (see `EmailLog`).
    """
    log = EmailLog(client("dynamodb"), settings.text("EMAIL_LOG_TABLE"))
    claim = log.claim(key)
    if isinstance(claim, EarlierAttempt):
        if claim.outcome is None:
            logger.warning("mail not sent: an earlier attempt may have sent it", key=key)
        return claim.outcome or {"status": "unknown"}
    try:
        outcome = _send(mail, key, execution)
    except (AwsUnavailableError, BotoCoreError, ClientError):
        _release(log, claim, key)
        raise
    try:
        log.complete(claim, outcome)
    except (AwsUnavailableError, BotoCoreError, ClientError) as error:
        # The record stays "in progress", so a retry does not send the mail.
        logger.warning("outcome of the mail not recorded", key=key, reason=str(error))
    return outcome


def _release(log: EmailLog, claim: Claim, key: str) -> None:
    try:
        log.release(claim)
    except (AwsUnavailableError, BotoCoreError, ClientError) as error:
        logger.warning("record of the unsent mail not removed", key=key, reason=str(error))


def _send(mail: Mail, key: str, execution: str | None) -> dict[str, str]:
    try:
        with translate_aws_errors("sending a mail"):
            response = client("ses").send_email(
                Source=mail.sender,
                Destination={"ToAddresses": [mail.recipient]},
                Message={
                    "Subject": _content(one_line(mail.subject, MAX_SUBJECT)),
                    "Body": {"Text": _content(mail.text), "Html": _content(mail.html)},
                },
            )
    except AwsUnavailableError as error:
        cause = error.__cause__
        if not _is_certainly_not_sent(cause):
            logger.warning(
                "no response from SES: the mail may have been sent", key=key, reason=str(cause)
            )
            return {"status": "unknown"}
        raise
    measure("MailsSent", "Count", 1, service="mail")
    logger.info("mail sent", key=key, message_id=response["MessageId"], execution=execution)
    return {"status": "sent", "messageId": response["MessageId"]}


def _is_certainly_not_sent(error: BaseException | None) -> bool:
    """Whether SES refused the mail or was not reached; a broken response proves neither."""
    if isinstance(error, ClientError):
        return http_status(error) < 500
    return isinstance(error, (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError))


def _content(data: str) -> dict[str, str]:
    return {"Data": data, "Charset": "UTF-8"}
