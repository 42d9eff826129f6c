"""AWS clients: one per service for each Lambda instance, created on first use.

They are botocore's clients. boto3's are the same with more methods, and take longer to import.
"""

import gc
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from handlers.shared.errors import AwsRequestRefusedError, is_transient

_DEFAULT = {
    "connect_timeout": 3,
    "read_timeout": 15,
    "max_pool_connections": 32,
    "tcp_keepalive": True,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}
_BY_SERVICE: dict[str, dict[str, Any]] = {
    # CopyObject of a gigabyte responds only when the copy is complete. By default, presigned URLs
    # use signature version 2, which buckets created since 2020 refuse, and go to us-east-1 first.
    "s3": {
        "read_timeout": 60,
        "signature_version": "s3v4",
        "s3": {"addressing_style": "virtual"},
    },
    # Callers behind the API must respond within 25 seconds even if Step Functions does not.
    "stepfunctions": {
        "read_timeout": 5,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    },
    # SendEmail has no idempotency token: a second attempt could send a second mail.
    "ses": {"retries": {"mode": "standard", "total_max_attempts": 1}},
}
# botocore's data files from which it creates a client.
_FOR_ALL_CLIENTS = ("endpoints", "partitions", "sdk-default-configuration")
_FOR_EACH_CLIENT = ("service-2", "endpoint-rule-set-1")
# For callers that send thousands of requests, know their time budget and have their own retries.
# Parameter validation takes a seventh of such a request's CPU time.
_BULK = {
    "read_timeout": 5,
    "parameter_validation": False,
    "retries": {"mode": "standard", "total_max_attempts": 1},
}


@cache
def client(service: str, *, bulk: bool = False) -> Any:
    """The client of an AWS service; with `bulk`, one without validation and retries."""
    from botocore.config import Config
    from botocore.session import get_session

    session = get_session()
    session.register_component("data_loader", _loader())
    settings = _DEFAULT | _BY_SERVICE.get(service, {}) | (_BULK if bulk else {})
    # botocore writes into the settings of S3 what it finds in the environment.
    created = session.create_client(service, config=Config(**deepcopy(settings)))
    created.meta.events.register("after-call", _raise_if_refused)
    return created


def _raise_if_refused(http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
    """Raise our own error for a request that AWS refuses, before botocore raises one of its own."""
    if http_response.status_code >= 300:
        error = AwsRequestRefusedError(parsed, model.name)
        if not is_transient(error):
            raise error


def prepare(*services: str) -> None:
    """Load botocore's data for clients of these services, which does not depend on the environment.

    A function calls it on import, for the services that every invocation uses. An invocation of a
    function with little memory has only a share of a processor; its import is faster
    (docs/decisions/0074-cold-starts.md).
    """
    gc.disable()
    try:
        import botocore.session  # noqa: F401

        loader = _loader()
        for data in _FOR_ALL_CLIENTS:
            loader.load_data(data)
        for service in services:
            for data in _FOR_EACH_CLIENT:
                loader.load_service_model(service, data)
    finally:
        gc.freeze()  # none of this data becomes garbage
        gc.enable()


@cache
def _loader() -> Any:
    from botocore.loaders import Loader

    class FoundByFolder(Loader):  # type: ignore[misc]
        """Takes every folder for a service; botocore's loader searches all 430 folders, twice."""

        def list_available_services(self, type_name: str) -> list[str]:
            return [path.name for path in Path(self.BUILTIN_DATA_PATH).iterdir()]

    return FoundByFolder()
