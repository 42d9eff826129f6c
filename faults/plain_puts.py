"""The PUTs to S3 that the images workflow sends without botocore, through the same network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import urllib3
from botocore.exceptions import ReadTimeoutError
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as TooLate

from faults.network import Network
from faults.process import current_process, outside_of_processes


@contextmanager
def through(network: Callable[[], Network], s3: Callable[[], Any]) -> Iterator[None]:
    """Requests of urllib3 go through the network; what they store, moto stores."""

    def make_request(
        pool: Any, _: Any, method: str, url: str, body: Any = None, headers: Any = None, **more: Any
    ) -> urllib3.HTTPResponse:
        process = current_process()
        assert process is not None, "no other part of the tests uses urllib3"
        assert method == "PUT"

        content = body if isinstance(body, bytes) else body.read()

        def put(_: Any) -> Any:
            bucket = pool.host.partition(".")[0]
            with outside_of_processes():
                s3().put_object(
                    Bucket=bucket,
                    Key=(urllib3.util.parse_url(url).path or "").removeprefix("/"),
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

    with patch.object(HTTPConnectionPool, "_make_request", make_request):
        yield
