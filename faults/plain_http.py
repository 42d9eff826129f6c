"""The requests to S3 that functions send without botocore, through the same network."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import requests
from botocore.exceptions import IncompleteReadError

from faults.network import Network
from faults.process import current_process, outside_of_processes


@contextmanager
def through(network: Callable[[], Network], s3: Callable[[], Any]) -> Iterator[None]:
    """The presigned GETs of the cookies workflow."""

    def get(url: str, **_: Any) -> Any:
        process, parts = current_process(), urlsplit(url)
        assert process is not None, "no other part of the tests uses requests"

        def read(_: Any) -> Any:
            with outside_of_processes():
                found = s3().get_object(
                    Bucket=parts.netloc.partition(".")[0],
                    Key=unquote(parts.path.removeprefix("/")),
                )
            return (SimpleNamespace(status_code=200), found), None

        request = SimpleNamespace(url=url, body=b"")
        response, failure = network().send(process, "s3", "GetObject", 1, request, read)
        if failure is not None:
            raise requests.ConnectionError("a fault")
        http, parsed = response
        try:
            body = parsed["Body"].read() if "Body" in parsed else b""
        except IncompleteReadError as error:
            raise requests.exceptions.ChunkedEncodingError("a fault") from error
        return SimpleNamespace(status_code=http.status_code, json=lambda: json.loads(body))

    with patch.object(requests, "get", get):
        yield
