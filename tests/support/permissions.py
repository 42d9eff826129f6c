"""What a function may do with its own role: attempts, and whether IAM lets them through."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local.aws import Aws

Attempt = Callable[[Aws, str], Any]  # of a function, to do something with its own role


def is_allowed(request: Callable[[], Any]) -> bool:
    """Whether the request was authorized, whatever its result."""
    try:
        request()
    except ClientError as error:
        return error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException")
    return True


def send_mail(sender: str, *recipients: str) -> Attempt:
    """An attempt to send a mail."""

    def attempt(aws: Aws, function: str) -> Any:
        return aws.client_as(function, "ses").send_email(
            Source=sender,
            Destination={"ToAddresses": list(recipients)},
            Message={"Subject": {"Data": "least"}, "Body": {"Text": {"Data": "privilege"}}},
        )

    return attempt
