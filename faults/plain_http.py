"""The requests to S3 that functions send without botocore, through the same network."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from botocore.exceptions import IncompleteReadError, ReadTimeoutError
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as TooLate

from faults.network import Network
from faults.process import current_process, outside_of_processes


@contextmanager
def through(network: Callable[[], Network], s3: Callable[[], Any]) -> Iterator[None]:
    """The PUTs of the images workflow and the presigned GETs of the cookies workflow."""

    def make_request(
        pool: Any, _: Any, method: str, url: str, body: Any = None, headers: Any = None, **more: Any
    ) -> urllib3.HTTPResponse:
        process = current_process()
        assert process is not None, "no other part of the tests uses urllib3"
        assert method == "PUT"
        content = body if isinstance(body, bytes) else body.read()

        def put(_: Any) -> Any:
            with outside_of_processes():
                s3().put_object(
                    Bucket=pool.host.partition(".")[0],
                    Key=unquote(urlsplit(url).path.removeprefix("/")),
                    Body=content,
                    ContentType=headers["Content-Type"],
                    Metadata={"run": headers["x-amz-meta-run"]},
                )
            return (SimpleNamespace(status_code=200), {}), None

        attempt = len(more["retries"].history) + 1
        request = SimpleNamespace(url=url, body=content)
        response, failure = network().send(process, "s3", "PutObject", attempt, request, put)
        if isinstance(failure, ReadTimeoutError):
            raise TooLate(pool, url, "a fault")
        if failure is not None:
            raise ProtocolError("a fault")
        http, parsed = response
        code = parsed.get("Error", {}).get("Code", "")
        return urllib3.HTTPResponse(
            f"<Code>{code}</Code>".encode(), status=http.status_code, preload_content=True
        )

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

    with (
        patch.object(HTTPConnectionPool, "_make_request", make_request),
        patch.object(requests, "get", get),
    ):
        yield
