"""AWS clients: one per service for each Lambda instance, created on first use."""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_DEFAULT = Config(
    connect_timeout=3,
    read_timeout=15,
    max_pool_connections=32,
    tcp_keepalive=True,
    retries={"mode": "standard", "total_max_attempts": 4},
)
_SPECIAL = {
    # CopyObject of a gigabyte responds only when the copy is complete. By default, presigned URLs
    # use signature version 2, which buckets created since 2020 refuse, and go to us-east-1 first.
    "s3": Config(read_timeout=60, signature_version="s3v4", s3={"addressing_style": "virtual"}),
    # Callers behind the API must respond within 25 seconds even if Step Functions does not.
    "stepfunctions": Config(read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}),
    # SendEmail has no idempotency token: a second attempt could send a second mail.
    "ses": Config(retries={"mode": "standard", "total_max_attempts": 1}),
}
# For callers that send thousands of requests, know their time budget and have their own retries.
# Parameter validation takes a seventh of such a request's CPU time.
_BULK = Config(
    read_timeout=5,
    parameter_validation=False,
    retries={"mode": "standard", "total_max_attempts": 1},
)


@cache
def client(service: str, *, bulk: bool = False) -> Any:
    """The client of an AWS service; with `bulk`, one without validation and retries."""
    config = _DEFAULT.merge(_SPECIAL.get(service, Config()))
    make: Callable[..., Any] = boto3.client  # its overloads accept only literal service names
    return make(service, config=config.merge(_BULK) if bulk else config)
