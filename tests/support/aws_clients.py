"""AWS clients of the tests themselves, for moto: one for each service in a process.

To create a client takes longer than most calls to moto. A client has no state of a mock. A test
that registers handlers of events on its client, or needs other settings, creates its own.
"""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


@cache
def aws_client(service: str) -> Any:
    client = _session().client(service, config=Config(ignore_configured_endpoint_urls=True))
    for name in ("register", "register_first", "register_last"):
        setattr(client.meta.events, name, _refuse)
    return client


def _refuse(*_: Any, **__: Any) -> None:
    raise TypeError("Other tests have this client, too: create another one with boto3.client.")


@cache
def _session() -> boto3.Session:
    return boto3.Session("test", "test", region_name=REGION)
