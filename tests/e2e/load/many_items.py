"""Many items at once: what a test sends, and the outcome of each."""

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local import api
from local.aws import Aws, until
from local.signing import Signing
from tests.support import web
from tests.support.web import Route

SENDERS = 16  # threads; a person's scripts, browsers and sensors


def count_items(aws: Aws, table: str) -> int:
    counts = (
        aws.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=aws.outputs[table], Select="COUNT")
    )
    return sum(page["Count"] for page in counts)


def count_events(aws: Aws, machine: str, since: float) -> int:
    """Events in the event log of the executions of a machine (its ARN), received since a time."""
    pages = (
        aws.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=aws.outputs["EventLogTable"],
            FilterExpression="begins_with(job, :machine) AND received >= :since",
            ExpressionAttributeValues={
                ":machine": {"S": f"{machine.rpartition(':')[2]}:"},
                ":since": {"N": str(int(since * 1000))},
            },
            Select="COUNT",
        )
    )
    return sum(page["Count"] for page in pages)


def count_objects(aws: Aws, bucket: str, prefix: str) -> int:
    return sum(1 for _ in objects(aws, bucket, f"{prefix}/"))


def objects(aws: Aws, bucket: str, prefix: str) -> Iterator[str]:
    """The keys of the objects with a prefix."""
    pages = aws.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=aws.outputs[bucket], Prefix=prefix):
        yield from (found["Key"] for found in page.get("Contents", []))


def values(aws: Aws, table: str, key: str, attribute: str) -> dict[str, str]:
    """An attribute of all items of a table, by another one; both are texts."""
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=aws.outputs[table])
    return {
        item[key]["S"]: item[attribute]["S"]
        for page in pages
        for item in page["Items"]
        if attribute in item
    }


def outcomes(aws: Aws, machine: str, since: float) -> Counter[str]:
    """How many executions of a machine are in which status."""
    return Counter(
        one["status"] for one in aws.executions(machine) if one["startDate"].timestamp() >= since
    )


def durations(aws: Aws, machine: str, since: float) -> list[float]:
    """How many seconds each execution of a machine took, the shortest first."""
    return sorted(
        (one["stopDate"] - one["startDate"]).total_seconds()
        for one in aws.executions(machine)
        if one["startDate"].timestamp() >= since and one["status"] != "RUNNING"
    )


def ended(aws: Aws, machine: str, count: int, seconds: float, since: float) -> Counter[str]:
    """The statuses of a machine's executions, once `count` of them have ended."""

    def all_ended() -> Counter[str] | None:
        found = outcomes(aws, machine, since)
        time.sleep(2)  # reading a thousand executions costs the server some time
        return found if found.total() >= count and not found["RUNNING"] else None

    return until(f"the end of {count} executions of {machine}", all_ended, seconds)


def paced(count: int, per_second: float, call: Callable[[int], Any]) -> list[Any]:
    """Start `count` calls at a rate, even if earlier ones are slow. Returns the results."""
    start = time.monotonic()
    with ThreadPoolExecutor(64) as senders:
        calls = []
        for number in range(count):
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
            calls.append(senders.submit(call, number))
        return [future.result() for future in calls]


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(SENDERS) as senders:
        return list(senders.map(call, range(count)))


# -- Files -----------------------------------------------------------------------------------------


def csv(sensor: str, rows: int) -> bytes:
    lines = [f"{sensor},{1700000000 + row},{row % 50}.5" for row in range(rows)]
    return "\n".join(lines).encode() + b"\n"


def upload(aws: Aws, count: int, rows: int) -> str:
    """Upload files, each of a sensor of its own; returns the folder they are in."""
    folder = f"load-{uuid.uuid4().hex[:8]}"
    bucket, s3 = aws.outputs["SensorSourceBucket"], aws.client("s3")
    at_once(
        count,
        lambda n: s3.put_object(
            Bucket=bucket, Key=f"{folder}/{n}.csv", Body=csv(f"{folder}-{n}", rows)
        ),
    )
    return folder


# -- Messages --------------------------------------------------------------------------------------


def post_messages(aws: Aws, count: int, per_second: float) -> list[str]:
    """Post messages through the API at a rate; returns their ids."""

    def post(number: int) -> str:
        response = api.call(aws, "POST", "/messages", {"message": {"number": number}})
        assert response.status == 202, response.text
        return str(response.json["messageId"])

    return paced(count, per_second, post)


# -- Signatures ------------------------------------------------------------------------------------


def request_signatures(signing: Signing, count: int) -> list[str]:
    """Start so many documents through the API; returns their ids."""
    run = uuid.uuid4().hex[:8]
    documents = [f"load-{run}-{number}" for number in range(count)]
    at_once(count, lambda n: signing.start(documents[n]))
    return documents


def links(signing: Signing, documents: list[str], seconds: float) -> list[str]:
    """The link in Bob's mail about each document, once all of them have arrived."""
    subjects = [f"Please sign document {document}" for document in documents]

    def all_arrived() -> list[str] | None:
        time.sleep(0.5)
        mails = {mail["Subject"]: mail for mail in signing.aws.mails("Please sign document load-")}
        if set(subjects) - mails.keys():
            return None
        found = [
            re.search(r"https?://\S+\?code=\S+", mails[subject]["BodyText"]) for subject in subjects
        ]
        return [link[0] for link in found if link]

    return until(f"{len(documents)} mails to Bob", all_arrived, seconds)


def decide_all(signing: Signing, links: list[str], seconds: float) -> None:
    """Bob signs them all, evenly over so many seconds."""
    responses = paced(
        len(links), len(links) / seconds, lambda n: signing.decide(links[n], "sign").status
    )
    assert Counter(responses) == {200: len(links)}


# -- Images ----------------------------------------------------------------------------------------

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@dataclass(frozen=True)
class Downloads:
    """One run: its paths on the web server, and those of them that are not there."""

    paths: list[str]
    missing: set[str]


def downloads(runs: int, paths: int, missing: int) -> list[Downloads]:
    """Runs of so many paths; in every other run, some are not there."""
    return [
        Downloads(
            names := [f"run-{run}/{number}.png" for number in range(paths)],
            set(names[::-1][: missing * (run % 2)]),
        )
        for run in range(runs)
    ]


def routes(runs: list[Downloads]) -> dict[str, Route]:
    """What the web server has: each image has bytes of its own."""
    return {
        f"/{path}": web.file(IMAGE + path.encode())
        for run in runs
        for path in run.paths
        if path not in run.missing
    }


def start_downloads(aws: Aws, address: str, runs: list[Downloads]) -> list[str]:
    """Start all runs at once through the API; returns the ARNs of their executions."""

    def start(number: int) -> str:
        body = {"baseUrl": address, "resourcePaths": runs[number].paths, "lambdaConcur": 8}
        response = api.call(aws, "POST", "/downloads", body)
        assert response.status == 200, response.text
        return str(response.json["executionArn"])

    return at_once(len(runs), start)


def report(aws: Aws, execution: str) -> list[dict[str, Any]]:
    """The outcome of each path of a run."""
    key = f"{execution.rpartition(':')[2]}/report.json"
    body = aws.client("s3").get_object(Bucket=aws.outputs["ImagesRunsBucket"], Key=key)["Body"]
    found: list[dict[str, Any]] = json.load(body)
    return found


def announced(aws: Aws, queue: str) -> str:
    """All that the topic of failures has published to a queue, as one text."""
    found = []
    while (
        messages := aws.client("sqs")
        .receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60)
        .get("Messages")
    ):
        found += [json.loads(message["Body"])["Message"] for message in messages]
    return "\n".join(found)
