"""Mail through SES, at most once."""

import warnings
from dataclasses import dataclass
from functools import cache

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from botocore.exceptions import ClientError, HTTPClientError, SSLError
from botocore.parsers import ResponseParserError

from handlers.shared.clients import client
from handlers.shared.errors import AwsUnavailableError, aws_errors, http_status, is_transient
from handlers.shared.observability import logger_for
from handlers.shared.settings import required
from handlers.shared.text import one_line

logger = logger_for("mail")

MAX_SUBJECT = 200  # characters; more is not seen anywhere
REMEMBERED_SECONDS = 90 * 24 * 3600  # Step Functions keeps a finished execution as long


@dataclass(frozen=True)
class Mail:
    """A mail to one recipient, as text and as HTML.

    Its subject is sent as one line. What comes from outside goes through `one_line` before it goes
    into a text.
    """

    sender: str
    recipient: str
    subject: str
    text: str
    html: str


def send_once(mail: Mail, *, key: str) -> dict[str, str]:
    """Send a mail at most once for a key, however often and however soon this is called again.

    Returns {"status": "sent", "messageId": …} when SES accepted the mail, now or the first time,
    and {"status": "unknown"} when an earlier or this attempt ended without SES's answer: the mail
    may be on its way or not, and is not sent again. Raises when SES surely did not accept it
    (AwsUnavailableError when throttled or not reached, otherwise SES's own error); the key is then
    free, and a retry sends.

    The record of a key is written before the mail is sent and removed only by an exception that
    says "not accepted". An attempt that was killed in between leaves it "in progress", for good:
    the Lambda context is deliberately not registered, for with it Powertools would free the key
    once that invocation's time is over.

    Records are in the table EMAIL_LOG_TABLE (partition key `id`, time to live `expiration`) for
    90 days.
    """
    outcome: dict[str, str] = {}

    def attempt(*, key: str) -> dict[str, str]:
        outcome.update(_send(mail, key))
        return outcome

    once = idempotent_function(
        attempt,
        data_keyword_argument="key",
        key_prefix="mail",
        config=IdempotencyConfig(expires_after_seconds=REMEMBERED_SECONDS, hash_function="sha256"),
        persistence_store=_email_log(required("EMAIL_LOG_TABLE")),
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Couldn't determine the remaining time left")
            return dict(once(key=key))
    except IdempotencyAlreadyInProgressError:
        logger.warning("an earlier attempt may have sent this mail; not sent again", key=key)
        return {"status": "unknown"}
    except IdempotencyPersistenceLayerError as error:
        if outcome:  # Tried, but not noted: the record stays "in progress", so no retry sends.
            logger.warning("outcome of a mail not recorded", key=key, reason=str(error))
            return outcome
        cause = error.__cause__
        if cause is not None and is_transient(cause):
            raise AwsUnavailableError(
                f"AWS did not answer as it should while noting a mail: {cause}"
            ) from error
        raise


@cache  # Powertools hooks itself into the client anew for each of these
def _email_log(table: str) -> DynamoDBPersistenceLayer:
    return DynamoDBPersistenceLayer(table, boto3_client=client("dynamodb"))


def _send(mail: Mail, key: str) -> dict[str, str]:
    try:
        with aws_errors("sending a mail"):
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
        if cause is not None and _may_have_been_accepted(cause):
            logger.warning("SES did not say whether it sent this mail", key=key, reason=str(cause))
            return {"status": "unknown"}
        raise
    return {"status": "sent", "messageId": response["MessageId"]}


def _may_have_been_accepted(error: BaseException) -> bool:
    """The request had been sent, or may have been, and no answer came that says it was refused."""
    if isinstance(error, ClientError):
        return http_status(error) >= 500
    # Not among them: ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError.
    return isinstance(error, (HTTPClientError, ResponseParserError, SSLError))


def _content(data: str) -> dict[str, str]:
    return {"Data": data, "Charset": "UTF-8"}
