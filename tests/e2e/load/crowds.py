"""Many items at once: what a test sends, and what became of every one of them."""

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

    def look() -> Counter[str] | None:
        found = outcomes(aws, machine, since)
        time.sleep(2)  # a look at a thousand executions costs the server some time
        return found if found.total() >= count and not found["RUNNING"] else None

    return until(f"the end of {count} executions of {machine}", look, seconds)


def paced(count: int, a_second: float, act: Callable[[int], Any]) -> list[Any]:
    """Call `act` so many times at a rate, on time even when it takes its time; its results."""
    start = time.monotonic()
    with ThreadPoolExecutor(64) as senders:
        acting = []
        for number in range(count):
            time.sleep(max(0.0, start + number / a_second - time.monotonic()))
            acting.append(senders.submit(act, number))
        return [one.result() for one in acting]


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(SENDERS) as senders:
        return list(senders.map(act, range(count)))


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


def post_messages(aws: Aws, count: int, a_second: float) -> list[str]:
    """Post messages through the API at a rate; returns their ids."""

    def post(number: int) -> str:
        answer = api.call(aws, "POST", "/messages", {"message": {"number": number}})
        assert answer.status == 202, answer.text
        return str(answer.json["messageId"])

    return paced(count, a_second, post)


# -- Signatures ------------------------------------------------------------------------------------


def ask_for_signatures(signing: Signing, count: int) -> list[str]:
    """Start so many documents through the API; returns their ids."""
    run = uuid.uuid4().hex[:8]
    documents = [f"load-{run}-{number}" for number in range(count)]
    at_once(count, lambda n: signing.start(documents[n]))
    return documents


def decide_all(signing: Signing, documents: list[str], seconds: float) -> None:
    """Bob signs each document as soon as he has its mail."""
    open_, deadline = set(documents), time.monotonic() + seconds
    with ThreadPoolExecutor(SENDERS) as senders:
        deciding = []
        while open_ and time.monotonic() < deadline:
            mails = {
                mail["Subject"].removeprefix("Please sign document "): mail
                for mail in signing.aws.mails("Please sign document load-")
            }
            for document in open_ & mails.keys():
                link = re.search(r"https?://\S+\?code=\S+", mails[document]["BodyText"])
                assert link
                deciding.append(senders.submit(signing.decide, link[0], "sign"))
                open_.remove(document)
            time.sleep(0.5)
        answers = [one.result() for one in deciding]
    assert not open_, f"{len(open_)} of {len(documents)} documents never reached Bob"
    assert {answer.status for answer in answers} == {200}
