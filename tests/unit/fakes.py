"""Fakes that any workflow's tests may need."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


@dataclass
class FakeContext:
    """A Lambda context with as much time left as a test likes."""

    remaining_ms: int = 900_000
    function_name: str = "stepworks-test-function"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def client_error(code: str, status: int = 400, message: str = "a message") -> ClientError:
    """The error that boto3 raises for a response of AWS."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "AnOperation")
