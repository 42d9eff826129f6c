"""Many items at once: what a test sends, and the outcome of each."""

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local import api
from local.aws import Aws, until
from local.signing import Signing

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
    found = (
        aws.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=aws.outputs[bucket], Prefix=f"{prefix}/")
    )
    return sum(page["KeyCount"] for page in found)


def outcomes(aws: Aws, machine: str, since: float) -> Counter[str]:
    """How many executions of a machine are in which status."""
    return Counter(
        one["status"] for one in aws.executions(machine) if one["startDate"].timestamp() >= since
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


def decide_all(signing: Signing, documents: list[str], seconds: float) -> None:
    """Bob signs each document as soon as he has its mail."""
    unsigned, deadline = set(documents), time.monotonic() + seconds
    with ThreadPoolExecutor(SENDERS) as senders:
        decisions = []
        while unsigned and time.monotonic() < deadline:
            mails = {
                mail["Subject"].removeprefix("Please sign document "): mail
                for mail in signing.aws.mails("Please sign document load-")
            }
            for document in unsigned & mails.keys():
                link = re.search(r"https?://\S+\?code=\S+", mails[document]["BodyText"])
                assert link
                decisions.append(senders.submit(signing.decide, link[0], "sign"))
                unsigned.remove(document)
            time.sleep(0.5)
        responses = [future.result() for future in decisions]
    assert not unsigned, f"{len(unsigned)} of {len(documents)} documents never reached Bob"
    assert {response.status for response in responses} == {200}
