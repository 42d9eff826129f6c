"""Requests from a signer's browser, and the pages returned to it."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from handlers.shared.api import (
    Response,
    body_text,
    header,
    path_parameter,
    query_parameter,
    response,
)
from handlers.shared.clock import now
from handlers.shared.errors import InvalidEventError
from handlers.shared.text import replace_surrogates
from handlers.signature.codes import is_one_of
from handlers.signature.pages import STYLE
from handlers.signature.request import SignatureRequest, Status
from handlers.signature.store import RequestStore

MAX_FORM = 10_000  # bytes
REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # The page loads and runs nothing and cannot be framed; its forms go to its own origin only.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the page's URL has the code
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


def page(status: int, html: str) -> Response:
    """A response with a page and its security headers."""
    return response(status, HEADERS, html)


def form(event: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a submitted form; empty if the body is not a form or is too large."""
    content_type = header(event, "Content-Type").partition(";")[0].strip().lower()
    try:
        body = body_text(event)
    except InvalidEventError:
        return {}
    body = replace_surrogates(body)  # DynamoDB stores only UTF-8
    if content_type != "application/x-www-form-urlencoded" or len(body) > MAX_FORM:
        return {}
    return dict(parse_qsl(body, keep_blank_values=True))


def request_of(store: RequestStore, event: Mapping[str, Any]) -> SignatureRequest | None:
    """The request that the URL names; None if the code is wrong or the request has expired."""
    code = query_parameter(event, "code")
    request_id = path_parameter(event, "requestId")
    request = store.get(request_id) if REQUEST_ID.fullmatch(request_id) else None
    code_matches = is_one_of(code, request.code_hashes if request else ())
    if request is None or not code_matches or _has_expired(request):
        return None
    return request


def _has_expired(request: SignatureRequest) -> bool:
    """Whether the time is over and there is no decision."""
    return request.status is Status.EXPIRED or (
        request.status is Status.PENDING and not request.is_pending(now())
    )
