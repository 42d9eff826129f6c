"""Verification of the signature of every request to the local AWS, also of the root key's.

ministack 1.5.33 checks the signatures of IAM users and roles, but accepts its root key `test` with
any secret, and takes some unsigned requests for root's. Here every request needs a valid Signature
Version 4, in a header or in its query, by a key that exists. Without one it reaches only

- the REST API, where each method says whether it accepts unsigned requests, as Bob's page does;
- the few endpoints of ministack's own that are in use (`_OWN_ENDPOINTS`). The others are off:
  `/_ministack/reset` deletes everything, `/_ministack/config` changes ministack's settings.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote
from uuid import uuid4

from ministack import app as ministack
from ministack.core import responses, sigv4
from ministack.core.iam_evaluator import (
    AuthError,
    CredentialResolutionError,
    resolve_credential,
)
from ministack.core.router import detect_service, extract_access_key_id, extract_region

from local.server.guard import App, Message, Receive, Scope, Send, refuse

_OWN_ENDPOINTS = re.compile(
    # Health check, inbox, code of functions and layers, responses of custom resources.
    r"GET /_ministack/(health|ses/messages|lambda-(code|layers)/.+)|PUT /_ministack/cfn-\w+/.+"
)
_CREDENTIALS = ("x-amz-credential", "x-amz-algorithm", "x-amz-signature", "awsaccesskeyid")
_HASH = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Request:
    """A request as it was signed: only its parameters are decoded."""

    method: str
    path: str
    raw_path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @classmethod
    def from_scope(cls, scope: Scope) -> "Request":
        headers: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name, text = raw.decode("latin-1").lower(), sigv4.decode_header_value(value)
            # The signature joins the values of a repeated header by commas.
            headers[name] = f"{headers[name]},{text}" if name in headers else text
        raw_path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = parse_qs(scope.get("query_string", b"").decode(errors="replace"), True)
        return cls(scope.get("method", "GET"), scope["path"], raw_path, query, headers)

    @property
    def api(self) -> tuple[str, str, str] | None:
        """API, stage and path if it goes to the REST API."""
        parsed: tuple[str, str, str] | None = ministack._parse_execute_api_url(
            self.headers.get("host", ""), self.path
        )
        return parsed

    @property
    def is_signed(self) -> bool:
        """Whether it has AWS credentials of any kind, valid or not."""
        return self.headers.get("authorization", "").upper().startswith("AWS") or any(
            name.lower() in _CREDENTIALS for name in self.query
        )


class Authentication:
    """Passes requests on to the app that have a valid signature, or need none."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request = Request.from_scope(scope)
        if request.path.startswith(("/_ministack/", "/_localstack/")):
            if _OWN_ENDPOINTS.fullmatch(f"{request.method} {request.path}"):
                await self.app(scope, receive, send)
            else:
                await refuse(
                    scope, send, f"{request.method} {request.path} is disabled on the local AWS."
                )
        elif request.api and not request.is_signed:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(scope, send, "")
        else:
            body = await Body.read(receive)
            if failure := failure_of(request, body):
                await _send_error(send, request, body, failure)
            else:
                await self.app(scope, body.replay, send)


class Body:
    """A request's body, in the chunks in which it arrived."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        self.chunks = [message.get("body", b"") for message in messages]
        self._messages = iter(messages)
        self._receive = receive

    @classmethod
    async def read(cls, receive: Receive) -> "Body":
        messages = [await receive()]
        while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
            messages.append(await receive())
        return cls(messages, receive)

    async def replay(self) -> Message:
        """Give the app the chunks that have been read, then the following ones."""
        for message in self._messages:
            return message
        return await self._receive()

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks:
            digest.update(chunk)
        return digest.hexdigest()


def failure_of(request: Request, body: Body) -> AuthError | None:
    """Why the signature of a request is not valid, or None."""
    header = request.headers.get("authorization", "")
    presigned = not header
    if not request.is_signed:
        return AuthError("MissingAuthenticationToken", "Request is missing Authentication Token")
    if header and any(name.lower() in _CREDENTIALS for name in request.query):
        return AuthError(
            "InvalidRequest", "Credentials in both the Authorization header and the query."
        )
    if not (header.startswith("AWS4-HMAC-SHA256 ") or _algorithm(request) == "AWS4-HMAC-SHA256"):
        return AuthError("InvalidRequest", "The local AWS accepts only Signature Version 4.")
    signature = (
        sigv4.parse_query_signature(request.query)
        if presigned
        else sigv4.parse_header_signature(request.headers)
    )
    if isinstance(signature, tuple):
        return AuthError(*signature)
    if time_failure := _time_failure(request, signature, presigned):
        return time_failure
    # The key that ministack uses must be the key that signed.
    if extract_access_key_id(request.headers, request.query) != signature.access_key_id:
        return AuthError("IncompleteSignature", "Credentials of more than one key.")
    credential = _credential(request, signature.access_key_id, presigned)
    if isinstance(credential, AuthError):
        return credential
    if failure := _body_failure(request, body, signature, presigned):
        return failure
    headers = request.headers
    if "x-amz-content-sha256" not in headers:
        headers = {**headers, "x-amz-content-sha256": body.sha256()}
    in_chunks = headers["x-amz-content-sha256"].startswith("STREAMING-AWS4-HMAC")
    mismatch = sigv4.header_signature_failure(
        signature,
        credential.secret_access_key,
        request.method,
        request.raw_path,
        request.query,
        headers,
        b"".join(body.chunks) if in_chunks else b"",
        presigned=presigned,
    )
    return AuthError(*mismatch) if mismatch else None


def _algorithm(request: Request) -> str:
    return request.query.get("X-Amz-Algorithm", [""])[0]


def _time_failure(request: Request, signature: Any, presigned: bool) -> AuthError | None:
    skewed = sigv4.request_time_failure(signature)
    expires = request.query.get("X-Amz-Expires", [""])[0]
    if presigned and expires.isdecimal() and not (skewed and "not yet current" in skewed[1]):
        expired = sigv4.presigned_request_is_expired(signature.amz_date, expires)
        return AuthError("AccessDenied", "Request has expired") if expired else None
    return AuthError(*skewed) if skewed else None


def _credential(request: Request, key: str, presigned: bool) -> Any:
    """The key's secret and session, or the error if it has none."""
    token = (
        request.query.get("X-Amz-Security-Token", [""])[0]
        if presigned
        else request.headers.get("x-amz-security-token", "")
    )
    responses.set_request_account_id(ministack._request_account_scope(key))
    account = responses._account_from_sts_session(key) or responses.get_account_id()
    credential = resolve_credential(key, account, token)
    if isinstance(credential, CredentialResolutionError):
        return AuthError(credential.code, credential.message)
    return credential


def _body_failure(
    request: Request, body: Body, signature: Any, presigned: bool
) -> AuthError | None:
    """The error if the body's hash is not the signed one."""
    signed = request.headers.get("x-amz-content-sha256", "")
    if presigned and signature.service == "s3":
        return None  # a presigned URL does not sign the body
    if not _HASH.fullmatch(signed) or signed == body.sha256():
        return None
    if signature.service == "s3":
        return AuthError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    return AuthError("SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH)


async def _send_error(send: Send, request: Request, body: Body, failure: AuthError) -> None:
    """Send the error in the form of the called service, so that clients understand it."""
    response = None
    responses.set_request_region(extract_region(request.headers, request.query))
    if request.api:
        apis = ministack._get_module("apigateway_v1")
        response = apis.authentication_error_response(
            *request.api[:2], failure, request.headers, request.query
        )
    if response is None:
        parameters = ministack._routing_params(
            request.method, request.path, request.headers, b"".join(body.chunks), request.query
        )
        service = detect_service(request.method, request.path, request.headers, parameters)
        if request.path.startswith(ministack._SES_V2_PREFIX):
            service = "sesv2"  # JSON, while SES itself uses XML
        response = ministack._credential_failure(
            service, "", str(uuid4()), failure, request.headers
        )
    await ministack._send_response(send, *response, head=request.method == "HEAD")
