"""The console's pages of an object and of an item, against an S3 and a DynamoDB."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from console.aws import Aws
from console.core import Console
from console.storage import MOST
from console.web import create
from local.aws import until

REGION, PORT, STACK = "us-east-1", 4998, "shop"
TOKEN = "AQC8AAAAKgAAAAMAAAAAAAAAAeTokenOfATaskThatWaits"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
TEMPLATE = {
    "Resources": {
        "Files": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "shop-files"},
        },
        "Orders": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "shop-orders",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "id", "AttributeType": "S"},
                    {"AttributeName": "number", "AttributeType": "N"},
                ],
                "KeySchema": [
                    {"AttributeName": "id", "KeyType": "HASH"},
                    {"AttributeName": "number", "KeyType": "RANGE"},
                ],
            },
        },
    }
}
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        found = Aws(boto3.Session(region_name=REGION))
        formation = found.client("cloudformation")
        formation.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        found.client("s3").put_bucket_versioning(
            Bucket="shop-files", VersioningConfiguration={"Status": "Enabled"}
        )
        yield found
        # What the console still reads would come from AWS itself.
        until("the console to have read", nothing_is_read)


def nothing_is_read() -> bool:
    return all(thread.name != "console-kept" for thread in threading.enumerate())


@pytest.fixture
def console(aws: Aws) -> Console:
    return Console(aws, STACK, writable=False)


@pytest.fixture
def ask(console: Console) -> Ask:
    """Status and JSON of the answer to a page's request."""
    app, _ = create(console, PORT)

    def ask(path: str, **query: str) -> tuple[int, Any]:
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/console/api/{path}",
            "root_path": "",
            "query_string": urlencode(query).encode(),
            "headers": [(b"host", f"127.0.0.1:{PORT}".encode())],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(body)

    return ask


def put(aws: Aws, key: str, body: bytes, **more: Any) -> str:
    """Put an object. Returns its version."""
    answer = aws.client("s3").put_object(Bucket="shop-files", Key=key, Body=body, **more)
    return str(answer["VersionId"])


def content(ask: Ask, key: str) -> dict[str, Any]:
    status, answer = ask("object", bucket="shop-files", object=key)
    assert status == 200, answer
    return dict(answer["content"])


# -- Objects --------------------------------------------------------------------------------------


def test_an_object_is_described(aws: Aws, ask: Ask) -> None:
    key = "a b/../ü?&=#.csv"
    version = put(aws, key, b"a,b\n1,2\n", ContentType="text/csv", Metadata={"origin": "demo"})

    status, answer = ask("object", bucket="shop-files", object=key)

    assert status == 200
    assert (answer["name"], answer["size"], answer["type"]) == (key, 8, "text/csv")
    assert (answer["metadata"], answer["version"]) == ({"origin": "demo"}, version)
    assert answer["modified"] > 1_600_000_000_000
    assert answer["content"] == {"form": "text", "text": "a,b\n1,2\n", "bytes": 8}


@pytest.mark.parametrize(
    ("body", "kind", "form"),
    [
        (b"", "text/plain", "empty"),
        (b'{"a": [1]}', "binary/octet-stream", "json"),
        (b"42", "application/json", "text"),
        (b"{not JSON", "application/json", "text"),
        ("é\n".encode(), "text/plain", "text"),
        (b"\xef\xbb\xbfa,b", "text/csv", "text"),
        (PNG, "image/png", "image"),
        (PNG, "binary/octet-stream", "binary"),
        (b"\xff\xfea\x00", "text/plain", "binary"),
        ("é".encode("latin-1") + b" and more", "text/plain", "binary"),
        (b"<svg onload='alert(1)'></svg>", "image/svg+xml", "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_text_is_shown(aws: Aws, ask: Ask, body: bytes, kind: str, form: str) -> None:
    put(aws, "one", body, ContentType=kind)

    assert content(ask, "one")["form"] == form


def test_only_the_beginning_of_a_large_text_is_read(aws: Aws, ask: Ask) -> None:
    line = "é" * 50 + "\n"
    put(aws, "large.csv", (line * 10_000).encode())

    _, answer = ask("object", bucket="shop-files", object="large.csv")

    assert answer["size"] == 10_000 * 101
    found = answer["content"]
    assert found["form"] == "text"
    assert MOST - 101 <= found["bytes"] <= MOST
    assert set(found["text"].split("\n")) == {line.strip()}  # whole lines


def test_a_letter_that_is_cut_makes_no_binary(aws: Aws, ask: Ask) -> None:
    put(aws, "one-line", ("a" + "é" * MOST).encode())

    found = content(ask, "one-line")

    assert (found["form"], found["text"]) == ("text", "a" + "é" * ((MOST - 1) // 2))


def test_secrets_in_an_object_are_hidden(aws: Aws, ask: Ask, console: Console) -> None:
    console.redaction.learn([TOKEN])
    secret = "hunter2-hunter2"
    put(aws, "whole.json", json.dumps({"password": secret, "said": TOKEN}).encode())
    lines = [
        json.dumps({"apiKey": secret, "sessionTokens": [secret]}),
        f"said {TOKEN}",
        f"https://x.example/?X-Amz-Signature={secret}",
    ]
    put(aws, "lines.jsonl", "\n".join(lines).encode(), Metadata={"secret": secret})
    cut = json.dumps([{"passwd": secret, "apiKey": secret, "n": n} for n in range(2_000)], indent=1)
    put(aws, "cut.json", cut.encode())

    for key in ("whole.json", "lines.jsonl", "cut.json"):
        text = json.dumps(ask("object", bucket="shop-files", object=key)[1])
        assert "hidden" in text
        assert secret not in text
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"bucket": "shop-files", "object": "absent"}, "There is no such object in the bucket"),
        ({"bucket": "elsewhere", "object": "one"}, "The stack shop has no bucket elsewhere."),
        ({"object": "one"}, "The stack shop has no bucket"),
    ],
    ids=["absent", "another bucket", "no bucket"],
)
def test_what_is_not_there_is_not_found(
    aws: Aws, ask: Ask, query: dict[str, str], said: str
) -> None:
    aws.client("s3").create_bucket(Bucket="elsewhere")
    aws.client("s3").put_object(Bucket="elsewhere", Key="one", Body=b"of somebody else")

    status, answer = ask("object", **query)

    assert status == 404
    assert said in answer["error"]["message"]


def test_an_older_version_can_be_read_after_the_object_was_deleted(aws: Aws, ask: Ask) -> None:
    version = put(aws, "moved.csv", b"before")
    aws.client("s3").delete_object(Bucket="shop-files", Key="moved.csv")

    gone = ask("object", bucket="shop-files", object="moved.csv")
    status, answer = ask("object", bucket="shop-files", object="moved.csv", version=version)

    assert gone[0] == 404
    assert gone[1]["error"]["action"] == "It was moved, deleted or has expired."
    assert (status, answer["content"]["text"]) == (200, "before")


@pytest.mark.parametrize(
    ("query", "action"), [({}, "s3:GetObject"), ({"version": "v1"}, "s3:GetObjectVersion")]
)
def test_a_missing_permission_is_named(
    aws: Aws, ask: Ask, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], action: str
) -> None:
    def refuse(**_: Any) -> None:
        error = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
        raise ClientError(error, "GetObject")  # type: ignore[arg-type]

    monkeypatch.setattr(aws.client("s3"), "get_object", refuse)

    status, answer = ask("object", bucket="shop-files", object="one", **query)

    assert status == 403
    assert answer["error"]["message"] == f"No permission for {action}."
    assert answer["error"]["action"].startswith(f"Ask for a policy that allows {action}.")


# -- Items ----------------------------------------------------------------------------------------

ITEM = {
    "id": {"S": "a/b ü"},
    "number": {"N": "7"},
    "taskToken": {"S": TOKEN},
    "notes": {"L": [{"S": f"answer with {TOKEN}"}, {"M": {"password": {"S": "hunter2"}}}]},
    "tags": {"SS": ["b", "a"]},
    "picture": {"B": b"\x00" * 10},
}
KEY = {"id": ITEM["id"], "number": ITEM["number"]}


def test_an_item_is_shown_as_json_without_secrets(aws: Aws, ask: Ask) -> None:
    aws.client("dynamodb").put_item(TableName="shop-orders", Item=ITEM)

    status, answer = ask("item", table="shop-orders", item=json.dumps(KEY))

    assert status == 200
    assert answer["key"] == {"id": "a/b ü", "number": 7}
    assert (answer["item"]["tags"], answer["item"]["picture"]) == (["a", "b"], "(10 bytes)")
    text = json.dumps(answer)
    assert TOKEN not in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("table", "key", "status", "said"),
    [
        ("shop-orders", {**KEY, "number": {"N": "8"}}, 404, "has no item with this key"),
        ("elsewhere", KEY, 404, "The stack shop has no table elsewhere."),
        ("shop-orders", {"id": "untyped"}, 400, "names no item"),
        ("shop-orders", "none", 400, "names no item"),
        ("shop-orders", {"id": ITEM["id"]}, 400, "dynamodb:GetItem"),
    ],
    ids=["absent", "another table", "untyped", "no JSON", "half a key"],
)
def test_an_item_that_cannot_be_read(
    aws: Aws, ask: Ask, table: str, key: Any, status: int, said: str
) -> None:
    aws.client("dynamodb").put_item(TableName="shop-orders", Item=ITEM)

    found, answer = ask("item", table=table, item=json.dumps(key))

    assert (found, said in answer["error"]["message"]) == (status, True), answer


def test_the_keys_of_the_stack_s_tables_are_read(console: Console) -> None:
    keys = console.table_keys_soon(20)

    assert keys is not None
    assert keys.by_table == {"shop-orders": ("id", "number")}
    assert keys.problems == []
