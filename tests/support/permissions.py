"""Whether IAM lets a request through."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError


def is_allowed(act: Callable[[], Any]) -> bool:
    """Whether the request was let through; what came of it is another matter."""
    try:
        act()
    except ClientError as error:
        return error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException")
    return True
