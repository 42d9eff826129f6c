"""What can go wrong: a class's name is the error name in a state machine's Retry and Catch."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own name)
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

# The codes botocore itself counts as throttling (botocore.retries.standard).
_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
# Two requests at once for one S3 object; a request that arrived too slowly.
_PASSING = frozenset(
    {
        "ConditionalRequestConflict",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
# urllib3's own: botocore lets a broken TLS record in the middle of a body through as it is.
_NO_ANSWER = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
    HTTPError,
)


class _SpokenError(Exception):
    """Something went wrong."""

    def __str__(self) -> str:
        return super().__str__() or self.__doc__ or type(self).__name__


class TransientError(_SpokenError):
    """Trying again later may help."""


class PermanentError(_SpokenError):
    """Trying again will not help."""


class AwsUnavailableError(TransientError):
    """An AWS service did not answer, or asked to be called less often."""


class ConfigurationError(PermanentError):
    """The function is not configured."""


class InvalidEventError(PermanentError):
    """The event is not one this function understands."""


def http_status(error: BaseException) -> int:
    """The HTTP status of an answer from AWS, 0 where there was none."""
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def error_code(error: BaseException) -> str:
    """The error code of an answer from AWS, empty where there was none."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def is_throttling(error: BaseException) -> bool:
    """AWS refused the request because there were too many."""
    return error_code(error) in _THROTTLING or http_status(error) == 429


def is_transient(error: BaseException) -> bool:
    """The same request may succeed later: throttling, a fault inside AWS, or no answer."""
    return (
        isinstance(error, _NO_ANSWER)
        or is_throttling(error)
        or error_code(error) in _PASSING
        or http_status(error) >= 500
    )


@contextmanager
def translate_aws_errors(action: str) -> Iterator[None]:
    """Raise AwsUnavailableError for what is transient; other errors pass. Also a decorator.

    `action` says what was tried, for people: "reading s3://bucket/key".
    """
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError, ResponseParserError) as error:
        if is_transient(error):
            raise AwsUnavailableError(
                f"AWS did not answer as it should while {action}: {error}"
            ) from error
        raise
