"""The soak's traffic: an item of each workflow, and the invariants that hold at its end.

Each function here sends one item, waits for its end, and raises an AssertionError or a LocalError
if an invariant is violated. It returns how the item ended. What AWS promises nobody is not claimed:
an execution may fail, with an error name of ours and all that this error promises.
"""

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import requests

from local import api
from local.aws import until
from local.errors import LocalError
from tests.e2e.soak.world import END_SECONDS, INTERVAL_SECONDS, World
from tests.support import web

SECONDS = 60  # for what follows the end of an execution, or precedes it
MAIL_ERRORS = {"EmailOutcomeUnknownError", "EmailNotSentError"}
NOT_ACCEPTED = "not accepted"


def ending(execution: dict[str, Any]) -> str:
    return str(execution.get("error", execution["status"]))


def sensor(world: World, name: str, rng: random.Random) -> str:
    """The table equals a dict fed in order; the file is in one place; one mail at most."""
    key, readings, lines = f"{name}.csv", {}, []
    for _ in range(rng.randint(5, 80)):
        seconds, value = 1_700_000_000 + rng.randrange(60), Decimal(rng.randrange(-500, 500)) / 10
        lines.append(f"{name},{seconds},{value}")
        readings[seconds] = value
    outputs = world.aws.outputs
    world.aws.client("s3").put_object(
        Bucket=outputs["SensorSourceBucket"], Key=key, Body="\n".join(lines).encode()
    )
    execution = world.ended("Sensor", key)

    places = [
        place
        for bucket, place in (
            ("SensorSourceBucket", key),
            ("SensorTargetBucket", f"processed/{key}"),
            ("SensorTargetBucket", f"failed/{key}"),
        )
        if world.objects(bucket, place)
    ]
    assert len(places) == 1, f"{key} is in {places}"
    error = execution.get("error")
    processed = execution["status"] == "SUCCEEDED" or error in MAIL_ERRORS
    assert places[0].startswith("processed/") == processed, f"{key} is in {places} after {error}"
    if error not in MAIL_ERRORS:
        until(f"a mail about {key}", lambda: world.mails(key), SECONDS)
    assert len(world.mails(key)) <= 1, f"{len(world.mails(key))} mails about {key}"
    if processed:
        query = world.aws.client("dynamodb").query(
            TableName=outputs["SensorReadingsTable"],
            KeyConditionExpression="sensor_id = :sensor",
            ExpressionAttributeValues={":sensor": {"S": name}},
        )
        stored = {
            int(item["timestamp"]["N"]): Decimal(item["value"]["N"]) for item in query["Items"]
        }
        assert stored == readings, f"the table does not have the readings of {key}"
    return ending(execution)


def messages(world: World, name: str, rng: random.Random) -> str:
    """Recorded once, or in the dead-letter queue; never both, never neither."""
    content = {"name": name, "number": rng.randrange(1000)}
    try:
        response = api.call(world.aws, "POST", "/messages", {"message": content})
    except requests.Timeout:
        return NOT_ACCEPTED
    if response.status != 202:
        assert response.status >= 500, response.text
        return NOT_ACCEPTED  # the sender knows, and may send it again
    message_id = response.json["messageId"]
    execution = world.ended("Messages", message_id)
    item = world.aws.client("dynamodb").get_item(
        TableName=world.aws.outputs["MessagesTable"], Key={"messageId": {"S": message_id}}
    )
    recorded = "Item" in item
    assert recorded == (execution["status"] == "SUCCEEDED"), f"{message_id}: {execution}"
    if not recorded or rng.random() < 0.1:  # reading the queue takes seconds
        kept = world.letter(message_id)
        assert kept != recorded, f"{message_id} is recorded: {recorded}, a dead letter: {kept}"
    return ending(execution)


def signature(world: World, name: str, rng: random.Random) -> str:
    """One outcome: table, execution and mails agree, and no mail comes twice."""
    arn = world.signing.start(name)
    key = arn.rpartition(":")[2]

    def has_ended() -> bool:
        found = world.executions("Signature", key)
        return bool(found) and found[0]["status"] != "RUNNING"

    sign = rng.random() < 0.7
    decision = "sign" if sign else "decline"
    if _is_asked(world, name, has_ended):
        (link,) = world.signing.links(name)
        _decide(world, link, decision, has_ended)
    elif not has_ended():  # nobody knows whether Bob has a mail; an operator asks him
        _complete(world, name, decision, has_ended)
    execution = world.ended("Signature", key)

    status = _status(world, name)
    if execution["status"] == "SUCCEEDED":
        assert sign, f"{name} succeeded although Bob declined"
        assert status == "SIGNED", f"{name} succeeded and is {status}"
        assert not world.mails(f"Document {name} was"), f"{name} succeeded and the owner has a mail"
    else:
        if execution["error"] == "SignatureDeclinedError":
            assert (sign, status) == (False, "DECLINED"), f"{name} declined and is {status}"
        time.sleep(2 * INTERVAL_SECONDS)  # the next look at the mails
        announcements = len(world.mails(f"Document {name} was"))
        if _announcement(world, arn) == "sent":
            assert announcements == 1, f"{announcements} mails to the owner about {name}"
        else:  # not known: a process was killed while it sent the mail
            assert announcements <= 1, f"{announcements} mails to the owner about {name}"
    assert len(_bob(world, name)) <= 1, f"{len(_bob(world, name))} mails to Bob about {name}"
    return ending(execution)


def _is_asked(world: World, name: str, has_ended: Callable[[], bool]) -> bool:
    """Whether Bob has his mail. If a process was killed while it sent the mail, he may not."""
    with suppress(LocalError):
        until(f"a mail to Bob about {name}", lambda: _bob(world, name) or has_ended(), SECONDS)
    return bool(_bob(world, name)) and not has_ended()


def _complete(world: World, name: str, decision: str, has_ended: Callable[[], bool]) -> None:
    """Invoke the function again until it has completed the request."""

    def invoke() -> bool:
        with suppress(LocalError):  # this call may meet a fault, too
            world.aws.invoke("completeSignatureRequest", {"documentId": name, "decision": decision})
            return True
        return has_ended()

    until(f"the completion of {name}", invoke, END_SECONDS)


def _announcement(world: World, arn: str) -> str | None:
    """What the execution says about the owner's mail: sent, unknown, or nothing."""
    for event in world.aws.history(arn):
        details = event.get("stateExitedEventDetails", {})
        if details.get("name") == "Announce Unsigned Document":
            status: str | None = json.loads(details["output"])["announcement"].get("status")
            return status
    return None


def _bob(world: World, name: str) -> list[dict[str, Any]]:
    return [m for m in world.mails(name) if m["Subject"] == f"Please sign document {name}"]


def _status(world: World, document: str) -> str | None:
    pages = world.aws.client("dynamodb").get_paginator("scan")
    items = [
        item
        for page in pages.paginate(
            TableName=world.aws.outputs["SignatureRequestsTable"],
            FilterExpression="documentId = :document",
            ExpressionAttributeValues={":document": {"S": document}},
        )
        for item in page["Items"]
    ]
    assert len(items) <= 1, f"{len(items)} requests for {document}"
    return str(items[0]["status"]["S"]) if items else None


def _decide(world: World, link: str, decision: str, has_ended: Callable[[], bool]) -> None:
    """Press the button again until the page says that the decision has arrived."""

    def press() -> bool:
        try:
            if world.signing.decide(link, decision).status == 200:
                return True
        except requests.RequestException:
            pass
        time.sleep(1)
        return has_ended()

    until(f"Bob's decision at {link.partition('?')[0]}", press, END_SECONDS)


def cookies(world: World, name: str, rng: random.Random) -> str:
    """The report is the sum of the files, and has no person twice."""
    count = rng.randint(1, 3)
    detail = {"count": count, "seed": rng.randrange(1000)}
    entry = {"Source": "project", "DetailType": "start", "Detail": json.dumps(detail)}
    put = world.aws.client("events").put_events(Entries=[entry])
    event = put["Entries"][0]["EventId"]
    execution = world.ended("Cookies", event)
    files = {
        key.rpartition("/")[2]: json.loads(body)
        for key, body in world.objects("CookiesBucket", f"{event}/").items()
    }
    report = files.get("0-cookies.json")
    if execution["status"] != "SUCCEEDED":
        return ending(execution)
    eaten = {
        int(file.split("-")[1]): content["numberOfCookiesConsumed"]
        for file, content in files.items()
        if file.startswith("final-")
    }
    finals = sum(file.startswith("final-") for file in files)
    assert report, f"{event} has no report"
    assert finals == len(eaten) == report["numberOfPeople"] == count, f"{event}: {sorted(files)}"
    assert sum(eaten.values()) == report["totalCookiesConsumed"], f"{event}: {report}"
    return ending(execution)


def images(world: World, name: str, rng: random.Random) -> str:
    """Every path has one outcome: an object and an item, or a failure that is announced."""
    paths = [f"{name}/{number}.png" for number in range(rng.randint(5, 40))]
    missing = {path for path in paths if rng.random() < 0.02}
    bodies = {path: f"image {path}".encode() for path in paths if path not in missing}
    world.web.routes |= {f"/{path}": web.file(body) for path, body in bodies.items()}
    body = {"baseUrl": world.web.url, "resourcePaths": paths, "lambdaConcur": 4}
    response = api.call(world.aws, "POST", "/downloads", body)
    assert response.status == 200, response.text
    arn = response.json["executionArn"]
    key = arn.rpartition(":")[2]
    execution = world.ended("Images", key)
    for path in bodies:
        del world.web.routes[f"/{path}"]
    saved = world.objects("ImagesRunsBucket", f"{key}/report.json")
    if not saved:
        assert execution["status"] == "FAILED", f"{arn} has no report"
        return ending(execution)
    (report,) = saved.values()
    outcomes = json.loads(report)
    assert [one["url"] for one in outcomes] == [f"{world.web.url}/{path}" for path in paths], arn
    downloaded = {one["url"] for one in outcomes if "filename" in one}
    host = world.web.url.removeprefix("http://")
    stored = world.objects("ImagesBucket", f"{host}/{name}/")
    for path in paths:
        url = f"{world.web.url}/{path}"
        if url in downloaded:
            assert stored.get(f"{host}/{path}") == bodies[path], f"{url} is not stored"
        else:
            until(f"the announcement of {url}", lambda u=url: world.announced(u), SECONDS)  # type: ignore[misc]
    if execution["status"] == "SUCCEEDED":
        assert len(downloaded) == len(paths), f"{arn} succeeded without all its images"
    if execution.get("error") in (None, "DownloadsFailedError"):
        assert _items(world, f"{world.web.url}/{name}/") == downloaded, f"{arn}: table and report"
    return ending(execution)


def _items(world: World, prefix: str) -> set[str]:
    pages = world.aws.client("dynamodb").get_paginator("scan")
    return {
        item["url"]["S"]
        for page in pages.paginate(
            TableName=world.aws.outputs["ImagesTable"],
            FilterExpression="begins_with(#url, :prefix)",
            ExpressionAttributeNames={"#url": "url"},
            ExpressionAttributeValues={":prefix": {"S": prefix}},
        )
        for item in page["Items"]
    }


WORKFLOWS: dict[str, Callable[[World, str, random.Random], str]] = {
    "sensor": sensor,
    "signature": signature,
    "cookies": cookies,
    "messages": messages,
    "images": images,
}
