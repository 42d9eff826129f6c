"""Our signature is the one that botocore makes."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.shared.aws_http.signature import Credentials, Headers, SigV4

# Version 4 test suite of AWS (Apache License 2.0), as in botocore's tests/unit/auth/aws4_testsuite.
SUITE: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("aws4_testsuite.json").read_text()
)
DATE = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
LONG_LIVED = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Credentials("ASIAEXAMPLE", "secret/+key", "token/+==")


def authorization(head: bytes) -> str:
    (line,) = (li for li in head.decode().split("\r\n") if li.startswith("Authorization: "))
    return line.removeprefix("Authorization: ")


def parsed(raw: str) -> tuple[str, str, dict[str, Any], Headers, str]:
    """Method, target, the headers that the signer adds, other headers, and body of a request."""
    head, _, body = raw.partition("\n\n")
    first, *lines = head.rstrip("\n").replace("\n ", " ").split("\n")
    method, _, target = first.removesuffix(" HTTP/1.1").partition(" ")
    headers = [tuple(line.split(":", 1)) for line in lines]
    own = {"host", "x-amz-date", "x-amz-security-token"}
    added = {name.lower(): value for name, value in headers if name.lower() in own}
    kept = tuple((name, value) for name, value in headers if name.lower() not in own)
    return method, target, added, kept, body  # type: ignore[return-value]


@pytest.mark.parametrize("name", [name for name in SUITE if "get-space" not in name])
def test_the_vectors_of_aws_are_met(name: str) -> None:
    case = SUITE[name]
    method, target, added, headers, body = parsed(case["request"])
    path, mark, query = target.partition("?")
    signature = SigV4(
        "service",
        "us-east-1",
        added["host"],
        lambda: LONG_LIVED._replace(token=case["token"]),
        clock=lambda: DATE,
    )

    head = signature.head(
        method,
        path + mark + quote(query, safe="=&%-_.~"),
        headers,
        hashlib.sha256(body.encode()).hexdigest(),
        len(body),
    )

    assert authorization(head) == case["authorization"]


def botocores(
    service: str, method: str, path: str, headers: Headers, body: bytes, by: Credentials, now: float
) -> str:
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    signer = kind(BotocoreCredentials(*by), service, "eu-west-1")
    request = AWSRequest(method, f"https://host.example:8443{path}", dict(headers), body)
    timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = timestamp
    request.headers["X-Amz-Date"] = timestamp
    if by.token:
        request.headers["X-Amz-Security-Token"] = by.token
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    return (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, "
        f"Signature={signature}"
    )


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
values = st.lists(visible, min_size=1, max_size=3).map("  ".join)
names = st.from_regex(r"x-amz-[a-z]{1,9}|[A-Z][a-z]{2,9}-Type", fullmatch=True).filter(
    lambda name: name not in ("x-amz-date", "x-amz-content-sha256")
)


@pytest.mark.parametrize("by", [LONG_LIVED, TEMPORARY], ids=["without token", "with token"])
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
@settings(deadline=None)
@given(
    path=st.lists(st.from_regex(r"[A-Za-z0-9._~-]{1,8}(%[0-9A-F]{2})?", fullmatch=True)),
    headers=st.dictionaries(names, values, max_size=4),
    body=st.binary(max_size=100),
    now=st.integers(0, 4_000_000_000),
)
def test_signatures_are_botocores(
    service: str,
    by: Credentials,
    path: list[str],
    headers: dict[str, str],
    body: bytes,
    now: int,
) -> None:
    digest = hashlib.sha256(body).hexdigest()
    sent = tuple(headers.items())
    if service == "s3":
        sent += (("x-amz-content-sha256", digest),)
    signature = SigV4(
        service, "eu-west-1", "host.example:8443", lambda: by, clock=lambda: now + 0.9
    )
    target = "/" + "/".join(path)

    heads = [signature.head("PUT", target, sent, digest, len(body)) for _ in range(2)]

    expected = botocores(service, "PUT", target, sent, body, by, now)
    assert [authorization(head) for head in heads] == [expected, expected]
    assert heads[0].startswith(f"PUT {target} HTTP/1.1\r\nHost: host.example:8443\r\n".encode())
    assert heads[0].endswith(f"\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    assert (f"X-Amz-Security-Token: {by.token}".encode() in heads[0]) == bool(by.token)


def test_the_time_and_the_credentials_are_never_older_than_a_second() -> None:
    # Given credentials that are replaced, and a clock that passes midnight
    times = iter([86_399.0, 86_399.9, 86_400.0, 86_401.0])
    credentials = iter([LONG_LIVED, TEMPORARY, LONG_LIVED])
    signature = SigV4("s3", "eu-west-1", "h", lambda: next(credentials), clock=lambda: next(times))

    # When requests are signed
    heads = [signature.head("PUT", "/", (), "hash", 0) for _ in range(4)]

    # Then the first two share what was prepared, and the others have the new time and keys
    assert heads[0] == heads[1]
    assert [b"19700102T00000" in head for head in heads] == [False, False, True, True]
    assert [b"ASIAEXAMPLE/19700102/" in head for head in heads] == [False, False, True, False]


def test_two_requests_within_a_second_may_differ() -> None:
    signature = SigV4("dynamodb", "eu-west-1", "h", lambda: LONG_LIVED, clock=lambda: 0.0)
    heads = {
        authorization(signature.head(method, path, headers, digest, 0))
        for method in ("GET", "POST")
        for path in ("/", "/a")
        for headers in ((), (("X-A", "b"),))
        for digest in ("x", "y")
    }
    assert len(heads) == 16
