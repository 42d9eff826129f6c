"""Our signature of a PUT is the one botocore makes."""

import hashlib
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from handlers.images.put_signature import signed_headers

NOW = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
LONG_LIVED = Credentials("AKIDEXAMPLE", "secret/+key")
TEMPORARY = Credentials("ASIAEXAMPLE", "secret/+key", "token/+=")
visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


def botocore_signature(path: str, headers: dict[str, str], body: bytes, by: Credentials) -> str:
    request = AWSRequest("PUT", f"https://images.s3.amazonaws.com{path}", headers, body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = S3SigV4Auth(by, "s3", "eu-west-1")
    return signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )


def our_headers(path: str, headers: dict[str, str], body: bytes, by: Credentials) -> dict[str, str]:
    return signed_headers(
        headers,
        host="images.s3.amazonaws.com",
        path=path,
        body_sha256=hashlib.sha256(body).hexdigest(),
        region="eu-west-1",
        credentials=by.get_frozen_credentials(),
        now=NOW,
    )


@pytest.mark.parametrize("by", [LONG_LIVED, TEMPORARY], ids=["without token", "with token"])
@given(
    path=st.lists(
        st.from_regex(r"[A-Za-z0-9._~-]{1,8}(%[0-9A-F]{2})?", fullmatch=True), min_size=1
    ),
    content_type=visible.filter(str.strip),
    body=st.binary(max_size=100),
)
def test_the_signature_is_botocores(
    by: Credentials, path: list[str], content_type: str, body: bytes
) -> None:
    url_path = "/" + "/".join(path)
    sent = our_headers(
        url_path, {"Content-Type": content_type, "x-amz-meta-run": "run-1"}, body, by
    )

    expected = botocore_signature(
        url_path, {k: v for k, v in sent.items() if k != "Authorization"}, body, by
    )

    assert sent["Authorization"].endswith(f"Signature={expected}")
    assert sent["X-Amz-Date"] == "20261121T235959Z"
    assert sent.get("X-Amz-Security-Token") == by.token
