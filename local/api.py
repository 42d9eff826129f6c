"""Requests to the REST API, signed with IAM credentials (Signature Version 4) or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.aws import Deployment

TIMEOUT_SECONDS = 30
OWN = Credentials("", "")  # stands for the deployment's own


@dataclass(frozen=True)
class Response:
    """A response of the API."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def call(
    aws: Deployment,
    method: str,
    path: str,
    body: Any = None,
    *,
    credentials: Credentials | None = OWN,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Send a request to a path below ApiUrl. `credentials=None` leaves it unsigned.

    A body that is neither text nor bytes is sent as JSON.
    """
    data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    default_headers = {"Content-Type": "application/json"} if data is not None else {}
    request = AWSRequest(
        method, aws.outputs["ApiUrl"] + path, {**default_headers, **(headers or {})}, data
    )
    if credentials is not None:
        signer = aws.credentials if credentials is OWN else credentials
        SigV4Auth(signer, "execute-api", aws.region).add_auth(request)
    response = requests.request(
        method,
        request.url,
        headers=dict(request.headers),
        data=data,
        allow_redirects=False,
        timeout=TIMEOUT_SECONDS,
    )
    if aws.record:
        responded = {"status": response.status_code, "text": response.text}
        aws.record(f"{method} {path.partition('?')[0]}", {"body": data}, responded)
    return Response(response.status_code, response.headers, response.text)
