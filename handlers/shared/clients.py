"""AWS clients: one of each for a Lambda instance, made when first used."""

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
    # CopyObject of a gigabyte answers when it is done. Presigned URLs are otherwise of signature
    # version 2, which buckets made since 2020 refuse, and go to us-east-1 first.
    "s3": Config(read_timeout=60, signature_version="s3v4", s3={"addressing_style": "virtual"}),
    # Its callers behind the API answer within 25 seconds, also when it does not.
    "stepfunctions": Config(read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}),
    # SendEmail has no idempotency token: a second attempt could be a second mail.
    "ses": Config(retries={"mode": "standard", "total_max_attempts": 1}),
}
# For callers that send thousands of requests, know their deadline and retry by themselves.
# Validating parameters costs a seventh of such a request's CPU time.
_BULK = Config(
    read_timeout=5,
    parameter_validation=False,
    retries={"mode": "standard", "total_max_attempts": 1},
)


@cache
def client(service: str, *, bulk: bool = False) -> Any:
    """The client of an AWS service; `bulk` for one that neither validates nor retries."""
    config = _DEFAULT.merge(_SPECIAL.get(service, Config()))
    make: Callable[..., Any] = boto3.client  # its overloads know services by literal name only
    return make(service, config=config.merge(_BULK) if bulk else config)
