"""Transient errors of AWS are translated."""

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError

from handlers.shared.errors import (
    AwsUnavailableError,
    PermanentError,
    TransientError,
    is_throttling,
    translate_aws_errors,
)
from tests.unit.fakes import client_error

URL = "https://sqs.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(client_error("ThrottlingException"), id="throttling"),
        pytest.param(client_error("ProvisionedThroughputExceededException"), id="throughput"),
        pytest.param(client_error("Whatever", 429), id="status-429"),
        pytest.param(client_error("InternalError", 500), id="status-500"),
        pytest.param(client_error("SlowDown", 503), id="slow-down"),
        pytest.param(client_error("ConditionalRequestConflict", 409), id="two-at-once"),
        pytest.param(EndpointConnectionError(endpoint_url=URL), id="no-connection"),
        pytest.param(ReadTimeoutError(endpoint_url=URL), id="read-timeout"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), id="connection-closed"),
        pytest.param(IncompleteReadError(actual_bytes=1, expected_bytes=2), id="short-body"),
        pytest.param(FlexibleChecksumError(error_msg="no match"), id="damaged-body"),
        pytest.param(SSLError("bad record"), id="broken-tls-in-a-body"),
    ],
)
def test_a_transient_error_is_raised_as_aws_unavailable(error: Exception) -> None:
    # When AWS returns this error, or no response
    with (
        pytest.raises(AwsUnavailableError) as raised,
        translate_aws_errors("reading s3://bucket/key"),
    ):
        raise error

    # Then the message has the action and the original error
    assert isinstance(raised.value, TransientError)
    assert "while reading s3://bucket/key" in str(raised.value)
    assert str(error) in str(raised.value)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(client_error("AccessDenied", 403), id="access-denied"),
        pytest.param(client_error("ValidationException"), id="validation"),
        pytest.param(NoCredentialsError(), id="no-credentials"),
        pytest.param(KeyError("a bug"), id="a-bug"),
    ],
)
def test_another_error_is_not_translated(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, translate_aws_errors("doing something"):
        raise error
    assert raised.value is error


def test_translate_aws_errors_is_also_a_decorator() -> None:
    @translate_aws_errors("calling")
    def call() -> None:
        raise client_error("Throttling")

    with pytest.raises(AwsUnavailableError):
        call()


def test_an_internal_error_of_aws_is_not_throttling() -> None:
    assert is_throttling(client_error("ThrottlingException"))
    assert not is_throttling(client_error("InternalServerError", 500))


@pytest.mark.parametrize("error", [TransientError, PermanentError, AwsUnavailableError])
def test_an_error_without_a_message_has_a_default_message(error: type[Exception]) -> None:
    assert str(error())
    assert str(error("this")) == "this"
