"""A request that takes effect, and whose response is lost: botocore then sends it again."""

from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError
from moto.core.models import botocore_stubber


class LostResponses:
    """Let moto do what a client asks for in an operation, and lose its first responses."""

    def __init__(self, client: Any, operation: str, *, lost: int = 1) -> None:
        self.requests = 0
        self._lost = lost
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_first(f"before-send.{service}.{operation}", self._send)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        self.requests += 1
        if self.requests > self._lost:
            return None  # moto is asked next
        botocore_stubber("before-send", request)
        raise ConnectionClosedError(endpoint_url=request.url)
