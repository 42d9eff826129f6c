"""AWS Signature Version 4 for a PUT to S3.

botocore's signer takes 0.15 ms of CPU time per request. With its overhead, that is a quarter of the
CPU time of a download; this module takes a tenth of it. A test compares it with botocore's signer.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_ALGORITHM = "AWS4-HMAC-SHA256"


def signed_headers(
    headers: Mapping[str, str],
    *,
    host: str,
    path: str,
    body_sha256: str,
    region: str,
    credentials: Any,
    now: datetime | None = None,
) -> dict[str, str]:
    """The headers of a signed PUT: `headers`, which are all signed, and those of the signature.

    `path` is percent-encoded, as it is sent. `credentials` are frozen credentials of botocore. S3
    refuses a body with another hash.
    """
    timestamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "X-Amz-Content-SHA256": body_sha256, "X-Amz-Date": timestamp}
    if credentials.token:
        sent["X-Amz-Security-Token"] = credentials.token
    canonical = sorted(
        (name.lower(), " ".join(value.split())) for name, value in [*sent.items(), ("Host", host)]
    )
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"PUT\n{path}\n\n{lines}\n{names}\n{body_sha256}"
    scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = _signing_key(credentials.secret_key, timestamp[:8], region)
    signature = _hmac(key, f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}").hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return sent


@lru_cache(maxsize=2)  # a key is valid for one day
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
