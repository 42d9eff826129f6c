"""The images workflow from outside: its API, and its effects in S3, DynamoDB and SNS."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local import api
from local.aws import Deployment, until
from tests.support import web
from tests.support.web import Web

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@dataclass
class Images:
    """One run's view of the deployed workflow: its own web server, its own queue on the topic."""

    aws: Deployment
    server: Web
    queue: str

    def public(self, name: str) -> tuple[str, str]:
        """Base URL and path of a file that the deployed functions can reach, new for each name.

        From an account, that is a file that AWS publishes: its own addresses, for whoever filters
        by them. The query has no meaning there, but makes another resource of it.
        """
        if self.aws.is_local:
            self.server.routes[f"/{name}"] = web.file(PNG)
            return self.server.url, name
        return "https://ip-ranges.amazonaws.com", f"ip-ranges.json?{name}"

    def post(self, body: Any, **options: Any) -> api.Response:
        return api.call(self.aws, "POST", "/downloads", body, **options)

    def request(self, paths: list[str], concurrency: int = 8) -> dict[str, Any]:
        return {
            "baseUrl": self.server.url,
            "resourcePaths": paths,
            "lambdaConcur": concurrency,
        }

    def run(self, paths: list[str], concurrency: int = 8, seconds: float = 60) -> dict[str, Any]:
        """Download the paths of the server: the execution as it ended."""
        response = self.post(self.request(paths, concurrency))
        assert response.status == 200, response.text
        return self.aws.wait_for_end(response.json["executionArn"], seconds)

    def report(self, execution_arn: str) -> list[dict[str, Any]]:
        key = f"{execution_arn.rpartition(':')[2]}/report.json"
        bucket = self.aws.outputs["ImagesRunsBucket"]
        outcomes: list[dict[str, Any]] = json.load(
            self.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        )
        return outcomes

    def stored(self) -> dict[str, int]:
        """The size of each stored object from this run's server, by path."""
        pages = (
            self.aws.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(
                Bucket=self.aws.outputs["ImagesBucket"], Prefix=f"127.0.0.1:{self.server.port}/"
            )
        )
        return {
            item["Key"].partition("/")[2]: item["Size"]
            for page in pages
            for item in page.get("Contents", [])
        }

    def object(self, path: str) -> Any:
        return self.aws.client("s3").get_object(
            Bucket=self.aws.outputs["ImagesBucket"], Key=f"127.0.0.1:{self.server.port}/{path}"
        )

    def item(self, path: str) -> dict[str, Any] | None:
        """The table's item of a path."""
        item: dict[str, Any] | None = (
            self.aws.client("dynamodb")
            .get_item(
                TableName=self.aws.outputs["ImagesTable"],
                Key={"url": {"S": f"{self.server.url}/{path}"}},
            )
            .get("Item")
        )
        return item

    def published(self, about: str) -> tuple[str, str]:
        """Subject and message of the first publication that contains this text."""

        def find() -> tuple[str, str] | None:
            received = self.aws.client("sqs").receive_message(
                QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            for message in received.get("Messages", []):
                body = json.loads(message["Body"])
                if about in body["Message"]:
                    return body["Subject"], body["Message"]
            return None

        return until(f"a message about {about}", find, 20)


def from_topic(topic: str, queue: str) -> str:
    """The policy of a queue that takes what a topic publishes."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def images(aws: Deployment) -> Iterator[Images]:
    """A web server of this test's own, and a queue that receives what is published meanwhile."""
    sqs, sns = aws.client("sqs"), aws.client("sns")
    name, topic = aws.name(), aws.outputs["ImagesFailedTopicArn"]
    arn = f"{topic.rpartition(':')[0].replace(':sns:', ':sqs:')}:{name}"
    queue = sqs.create_queue(QueueName=name, Attributes={"Policy": from_topic(topic, arn)})[
        "QueueUrl"
    ]
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    with web.serve({}) as server:
        yield Images(aws, server, queue)
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)
    for path in list(Images(aws, server, queue).stored()):
        key = f"127.0.0.1:{server.port}/{path}"
        aws.client("s3").delete_object(Bucket=aws.outputs["ImagesBucket"], Key=key)
