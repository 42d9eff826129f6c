"""Every request needs a valid signature by an existing key, as on AWS."""

import datetime
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import boto3
import pytest
import requests
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from local import api
from local.aws import Aws
from local.settings import REGION
from tests.support import iam

ROOT = Credentials("test", "test")
NOT_ROOT = Credentials("test", "guessed")
SCOPE = f"20260101/{REGION}/lambda/aws4_request"
FUNCTIONS = "/2015-03-31/functions/"
MISMATCH = ("SignatureDoesNotMatch", "InvalidSignatureException")


def client(aws: Aws, service: str, credentials: Credentials = ROOT, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=aws.settings.endpoint,
        region_name=REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(**config),
    )


@pytest.fixture
def bucket(aws: Aws) -> Iterator[str]:
    """A bucket of the test's own."""
    name, s3 = f"signed-{uuid4().hex[:12]}", aws.client("s3")
    s3.create_bucket(Bucket=name)
    yield name
    for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=item["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("apigateway", "get_rest_apis"),
        ("cloudformation", "list_stacks"),
        ("cloudwatch", "list_metrics"),
        ("dynamodb", "list_tables"),
        ("events", "list_rules"),
        ("iam", "list_users"),
        ("lambda", "list_functions"),
        ("logs", "describe_log_groups"),
        ("s3", "list_buckets"),
        ("scheduler", "list_schedules"),
        ("ses", "list_identities"),
        ("sesv2", "list_email_identities"),
        ("sns", "list_topics"),
        ("sqs", "list_queues"),
        ("stepfunctions", "list_state_machines"),
        ("sts", "get_caller_identity"),
    ],
)
def test_the_root_key_with_a_wrong_secret_is_refused(
    aws: Aws, service: str, operation: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client(aws, service, NOT_ROOT), operation)()

    assert refused.value.response["Error"]["Code"] in MISMATCH


def test_a_root_key_with_a_wrong_secret_has_no_effect(aws: Aws, bucket: str) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(aws, "s3", NOT_ROOT).put_object(Bucket=bucket, Key="x", Body=b"x")

    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)


def test_the_api_refuses_a_wrong_secret(aws: Aws) -> None:
    response = api.call(aws, "GET", "/signatures", credentials=NOT_ROOT)

    assert response.status == 403
    assert "signature" in response.json["message"]
    assert api.call(aws, "GET", "/signatures").status == 200


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"Authorization": "Bearer x"}),
        ("", {"Authorization": "AWS test:x"}),
        ("", {"Authorization": "AWS4-HMAC-SHA256"}),
        ("", {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/{SCOPE}"}),
        ("", {"Authorization": f"AWS4-ECDSA-P256-SHA256 Credential=test/{SCOPE}, Signature=1"}),
        (f"X-Amz-Credential=test/{SCOPE}", {}),
        (f"x-amz-credential=test/{SCOPE}", {}),
        (f"X-Amz-Credential=test/{SCOPE}&X-Amz-Algorithm=AWS4-HMAC-SHA256", {}),
        ("AWSAccessKeyId=test", {}),
        ("AWSAccessKeyId=test&Signature=x&Expires=99999999999", {}),
    ],
)
@pytest.mark.parametrize("path", [FUNCTIONS, "/", "/a-bucket/a-key"])
def test_a_request_without_a_signature_is_refused(
    aws: Aws, path: str, query: str, headers: dict[str, str]
) -> None:
    for method in ("GET", "POST", "PUT"):
        response = requests.request(
            method, f"{aws.settings.endpoint}{path}?{query}", headers=headers, data="x"
        )
        assert response.status_code in (400, 403), (method, response.text)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer x"}, {"Authorization": "AWS test:x"}, {"X-Amz-Security-Token": "x"}],
)
@pytest.mark.parametrize("query", ["", "AWSAccessKeyId=test", f"X-Amz-Credential=test/{SCOPE}"])
def test_the_api_is_not_opened_by_a_key_alone(
    aws: Aws, query: str, headers: dict[str, str]
) -> None:
    response = requests.get(f"{aws.outputs['ApiUrl']}/signatures?{query}", headers=headers)

    assert response.status_code in (400, 403), response.text
    assert "requests" not in response.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/sqs/messages"),
        ("POST", "/_ministack/ses/messages"),
        ("GET", "/_localstack/health"),
        ("GET", "/_ministack/lambda-code/"),
    ],
)
def test_unused_endpoints_are_disabled(aws: Aws, method: str, path: str) -> None:
    response = requests.request(method, aws.settings.endpoint + path)

    assert response.status_code == 403
    assert "disabled" in response.text
    assert aws.is_deployed()


# -- Everything that a client may sign ------------------------------------------------------------

KEY = "ordner/a b+c=d&e~f'(g)*h!i,j;k%41?ü/.txt"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"s3": {"payload_signing_enabled": True}},
        {"s3": {"payload_signing_enabled": False}, "request_checksum_calculation": "when_required"},
        {"s3": {"addressing_style": "path"}},
        {"request_checksum_calculation": "when_required"},
    ],
    ids=["as it is", "signed", "unsigned payload", "path style", "no checksum"],
)
def test_an_object_is_stored_and_read_under_any_key(
    aws: Aws, bucket: str, config: dict[str, Any]
) -> None:
    s3 = client(aws, "s3", **config)
    body = bytes(range(256)) * 4000

    s3.put_object(Bucket=bucket, Key=KEY, Body=body, Metadata={"a": "1  2"})

    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == body
    assert s3.list_objects_v2(Bucket=bucket, Prefix="ordner/a b+c")["KeyCount"] == 1


def test_a_virtual_host_is_served(aws: Aws, bucket: str) -> None:
    """What clients call that know the server as `localhost`."""
    aws.client("s3").put_object(Bucket=bucket, Key="x", Body=b"virtual")
    host = f"{bucket}.s3.{REGION}.localhost:{aws.settings.port}"
    request = AWSRequest("GET", f"http://{host}/x")
    auth.S3SigV4Auth(ROOT, "s3", REGION).add_auth(request)

    response = requests.get(
        f"{aws.settings.endpoint}/x", headers={**dict(request.headers.items()), "Host": host}
    )

    assert response.content == b"virtual"


def chunked(aws: Aws, bucket: str, tamper: bool) -> requests.Response:
    """PutObject with a signature for each chunk.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    """
    chunks = [b"a" * 65536, b"b" * 1000, b""]
    length = sum(len(f"{len(c):x};chunk-signature={'0' * 64}\r\n") + len(c) + 2 for c in chunks)
    request = AWSRequest(
        "PUT",
        f"{aws.settings.endpoint}/{bucket}/chunked",
        {
            "Content-Encoding": "aws-chunked",
            "Content-Length": str(length),
            "X-Amz-Decoded-Content-Length": str(sum(map(len, chunks))),
        },
    )

    class InChunks(auth.S3SigV4Auth):  # type: ignore[misc]
        def payload(self, _: Any) -> str:
            return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

    signer = InChunks(ROOT, "s3", REGION)
    signer.add_auth(request)
    before = request.headers["Authorization"].rpartition("=")[2]
    moment = request.headers["X-Amz-Date"]
    key = b"AWS4" + ROOT.secret_key.encode()
    for part in (moment[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    sent = b""
    for chunk in chunks:
        lines = (
            "AWS4-HMAC-SHA256-PAYLOAD",
            moment,
            f"{moment[:8]}/{REGION}/s3/aws4_request",
            before,
            hashlib.sha256(b"").hexdigest(),
            hashlib.sha256(chunk).hexdigest(),
        )
        before = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()
        body = chunk.replace(b"b", b"c") if tamper else chunk
        sent += f"{len(chunk):x};chunk-signature={before}\r\n".encode() + body + b"\r\n"
    return requests.put(request.url, headers=dict(request.headers.items()), data=sent)


def test_an_upload_in_signed_chunks_is_checked_chunk_by_chunk(aws: Aws, bucket: str) -> None:
    assert chunked(aws, bucket, tamper=True).status_code == 403
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)

    assert chunked(aws, bucket, tamper=False).status_code == 200
    stored = aws.client("s3").get_object(Bucket=bucket, Key="chunked")["Body"].read()
    assert stored == b"a" * 65536 + b"b" * 1000


def test_an_upload_with_a_trailing_checksum_is_accepted(aws: Aws, bucket: str) -> None:
    """What the SDK for JavaScript sends for a stream of unknown length."""
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    request = AWSRequest(
        "PUT",
        f"{aws.settings.endpoint}/{bucket}/trailer",
        {
            "Content-Encoding": "aws-chunked",
            "X-Amz-Decoded-Content-Length": "5",
            "X-Amz-Trailer": "x-amz-checksum-crc32",
        },
        body,
    )

    class Trailing(auth.S3SigV4Auth):  # type: ignore[misc]
        def payload(self, _: Any) -> str:
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    Trailing(ROOT, "s3", REGION).add_auth(request)
    response = requests.put(request.url, headers=dict(request.headers.items()), data=body)

    assert response.status_code == 200, response.text
    stored = aws.client("s3").get_object(Bucket=bucket, Key="trailer")["Body"].read()
    assert stored == b"hello"


def presigned(aws: Aws, bucket: str, credentials: Credentials, method: str = "get_object") -> str:
    s3 = client(aws, "s3", credentials, signature_version="s3v4")
    url: str = s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": KEY})
    return url


def test_a_presigned_url_allows_only_the_signed_request(aws: Aws, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"hello")
    url = presigned(aws, bucket, ROOT)

    assert requests.get(url).content == b"hello"
    assert requests.put(url, data="other").status_code == 403
    assert requests.get(presigned(aws, bucket, NOT_ROOT)).status_code == 403
    assert requests.get(url.replace("ordner", "keller")).status_code == 403
    elsewhere = urlsplit(url)._replace(path=FUNCTIONS).geturl()
    assert requests.get(elsewhere).status_code == 403
    both = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/{SCOPE}"}
    assert requests.get(url, headers=both).status_code in (400, 403)


def test_a_presigned_url_expires(aws: Aws, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"hello")

    def signed(ago: datetime.timedelta) -> int:
        now = datetime.datetime.now(datetime.UTC) - ago
        monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: now)
        return requests.get(presigned(aws, bucket, ROOT)).status_code

    assert signed(datetime.timedelta(minutes=50)) == 200
    assert signed(datetime.timedelta(minutes=70)) == 403
    assert signed(datetime.timedelta(minutes=-30)) == 403


def test_an_old_request_is_refused(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=20)
    monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: old)

    assert api.call(aws, "GET", "/signatures").status == 403


# -- As strict as AWS ------------------------------------------------------------------------------


def invoked(aws: Aws, route: str) -> Any:
    return iam.user(aws, {"Action": "execute-api:Invoke", "Resource": [iam.api_arn(aws, route)]})


def signed_as_text(aws: Aws, credentials: Credentials, path: str, signed: str, query: str) -> int:
    """The status of a GET whose signature is over a path and a query as they are given."""

    class AsText(auth.SigV4Auth):  # type: ignore[misc]
        def _normalize_url_path(self, _: str) -> str:
            return urlsplit(aws.outputs["ApiUrl"]).path + signed

        def canonical_query_string(self, _: AWSRequest) -> str:
            return query

    url = f"{aws.outputs['ApiUrl']}{path}?{query}"
    request = AWSRequest("GET", url)
    AsText(credentials, "execute-api", REGION).add_auth(request)
    parts = urlsplit(url)  # http.client sends the path and query as they are
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{query}", headers=dict(request.headers.items()))
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_query_is_signed_in_order(aws: Aws) -> None:
    with invoked(aws, "GET/signatures") as user:
        for path, query, status in (
            ("/signatures", "limit=5&status=pending", 200),
            ("/signatures", "status=pending&limit=5", 403),
        ):
            assert signed_as_text(aws, user, path, path, query) == status


def test_the_path_is_signed_encoded_twice(aws: Aws) -> None:
    once = "/executions/" + quote("arn:aws:states:us-east-1:000000000000:execution:x:y", safe="")
    with invoked(aws, "GET/executions/*") as user:
        twice = once.replace("%", "%25")
        assert signed_as_text(aws, user, once, twice, "") not in (401, 403)
        assert signed_as_text(aws, user, once, once, "") == 403


def test_another_body_than_the_signed_one_is_refused(aws: Aws) -> None:
    url = f"{aws.outputs['ApiUrl']}/messages"
    signed, sent = json.dumps({"message": {"a": 1}}), json.dumps({"message": {"a": 2}})
    for extra in ({}, {"X-Amz-Content-SHA256": hashlib.sha256(signed.encode()).hexdigest()}):
        request = AWSRequest("POST", url, {"Content-Type": "application/json", **extra}, signed)
        auth.SigV4Auth(ROOT, "execute-api", REGION).add_auth(request)
        headers = dict(request.headers.items())

        assert requests.post(url, data=sent, headers=headers).status_code == 403
        assert requests.post(url, data=signed, headers=headers).status_code == 202


def test_a_presigned_request_to_the_api_is_accepted(aws: Aws) -> None:
    for credentials, status in ((ROOT, 200), (NOT_ROOT, 403)):
        request = AWSRequest("GET", f"{aws.outputs['ApiUrl']}/signatures", params={"limit": "5"})
        auth.SigV4QueryAuth(credentials, "execute-api", REGION).add_auth(request)

        assert requests.get(request.prepare().url).status_code == status


def test_a_user_may_do_what_the_policy_says(aws: Aws) -> None:
    with invoked(aws, "GET/signatures") as user:
        assert api.call(aws, "GET", "/signatures", credentials=user).status == 200
        assert api.call(aws, "GET", "/messages/x", credentials=user).status == 403
        other_user = Credentials(user.access_key, "guessed")
        assert api.call(aws, "GET", "/signatures", credentials=other_user).status == 403
