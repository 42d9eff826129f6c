"""Errors of the functions. A class name is the error name in a machine's Retry and Catch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own name)
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)

# The error codes that botocore treats as throttling (botocore.retries.standard).
THROTTLING_CODES = frozenset(
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
# Concurrent requests for the same S3 object, and requests that arrived too slowly.
TRANSIENT_CODES = frozenset(
    {
        "ConditionalRequestConflict",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)
# No response, or one that was damaged on its way.
_NO_RESPONSE = (ConnectionError, FlexibleChecksumError, HTTPClientError, IncompleteReadError)
# Errors that botocore does not translate, such as urllib3's for a broken TLS record in a body. They
# are named, not imported, because their modules take long to import. Before a client has imported
# them, nothing raises the errors.
_LOADED_WITH_CLIENTS = (
    ("botocore.parsers", "ResponseParserError"),
    ("urllib3.exceptions", "HTTPError"),
)


class _DescribedError(Exception):
    """An error whose message is by default the docstring of its class."""

    def __str__(self) -> str:
        return super().__str__() or self.__doc__ or type(self).__name__


class TransientError(_DescribedError):
    """A retry may succeed."""


class PermanentError(_DescribedError):
    """A retry fails again."""


class AwsUnavailableError(TransientError):
    """An AWS service did not respond, or is throttling."""


class AwsRequestRefusedError(PermanentError, ClientError):  # type: ignore[misc]
    """An AWS service refused a request. The message has the operation and AWS's own error code.

    Clients raise it in place of botocore's own classes, which depend on the service: an execution
    must not end with a name that is documented nowhere.
    """


class ConfigurationError(PermanentError):
    """An environment variable of the function is missing or invalid."""


class InvalidEventError(PermanentError):
    """The event does not have the form that the function expects."""


def http_status(error: BaseException) -> int:
    """The HTTP status of a response from AWS; 0 if there was no response."""
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def error_code(error: BaseException) -> str:
    """The error code of a response from AWS; empty if there was no response."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def is_throttling(error: BaseException) -> bool:
    """Whether AWS refused the request because there were too many."""
    return error_code(error) in THROTTLING_CODES or http_status(error) == 429


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed: throttling, an error inside AWS, or no response."""
    return (
        isinstance(error, (*_NO_RESPONSE, *_loaded_with_clients()))
        or is_throttling(error)
        or error_code(error) in TRANSIENT_CODES
        or http_status(error) >= 500
    )


@contextmanager
def translate_aws_errors(action: str) -> Iterator[None]:
    """Raise AwsUnavailableError for transient errors; other errors pass. Also a decorator.

    `action` describes the attempt in the error message: "reading s3://bucket/key".
    """
    try:
        yield
    except (BotoCoreError, ClientError, *_loaded_with_clients()) as error:
        if is_transient(error):
            raise AwsUnavailableError(f"AWS was unavailable while {action}: {error}") from error
        raise


def _loaded_with_clients() -> tuple[type[Exception], ...]:
    modules = sys.modules
    return tuple(
        getattr(modules[module], name) for module, name in _LOADED_WITH_CLIENTS if module in modules
    )
