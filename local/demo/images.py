"""The images scene: a folder of flags is downloaded through the API, then an incomplete one."""

import base64
import html
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local import api
from local.aws import Aws, until
from local.demo import flags
from local.demo.folder_server import serve
from local.demo.summary import Summary
from local.errors import LocalError
from local.settings import REGION, ROOT

TITLE = "images: hundreds of downloads through a Map, straight from the API"
LATENCY = 0.03  # seconds
CONCURRENCY = 8  # requests of one Lambda
MISSING = 7  # missing flags that the second run requests
SCENE_SECONDS = 180


@dataclass
class Run:
    """One execution: the request and the outcome."""

    base_url: str
    paths: list[str]
    arn: str
    status: dict[str, Any]
    seconds: float

    @property
    def output(self) -> dict[str, Any]:
        output: dict[str, Any] = self.status.get("output", {})
        return output


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    folder = aws.settings.directory / "demo" / f"flags-{time.time():.0f}"
    paths = flags.write_folder(folder, 60 if quick else 300)
    size = sum((folder / path).stat().st_size for path in paths)
    with serve(folder, LATENCY) as address, failures(aws) as queue:
        console.print(
            f"Drew {len(paths)} flags ({size / 1000:.0f} kB) and serve them at {address}, "
            f"each after {LATENCY * 1000:.0f} ms."
        )
        run = download(aws, console, address, paths)
        check_all_stored(aws, run, folder)
        rate = len(paths) / run.seconds
        console.print(
            f"[green]{run.status['status']}[/green]: {run.output['downloaded']} images in "
            f"{run.seconds:.1f} s ({rate:.0f} a second), unchanged in the bucket and recorded in "
            "the table."
        )

        for path in paths[:MISSING]:
            (folder / path).unlink()
        some = paths[: 4 * MISSING]
        run = download(aws, console, address, some)
        messages = published_messages(aws, queue)
        check_failures(run, messages, paths[:MISSING])
        console.print(
            f"{run.status['status']} as expected, {run.status['error']}: {run.status['cause']}. "
            "Messages on a queue that is subscribed to the topic:"
        )
        for message in messages:
            console.print(f"  [yellow]•[/yellow] {message}", soft_wrap=True)
    sheet = contact_sheet(aws, run.base_url, paths)
    console.print(f"The downloaded images on one page: {sheet.relative_to(ROOT)}", soft_wrap=True)
    return Summary(
        f"{len(paths)} images downloaded through the API; {MISSING} that are missing published to "
        "the topic",
        "ImagesBucket, ImagesTable",
        f"The images on a page: {sheet.relative_to(ROOT)}",
    )


def download(aws: Aws, console: Console, address: str, paths: list[str]) -> Run:
    """Post the request and show the bucket's objects until the execution has ended."""
    started = time.monotonic()
    body = {"baseUrl": address, "resourcePaths": paths, "lambdaConcur": CONCURRENCY}
    response = api.call(aws, "POST", "/downloads", body)
    expect(response.status == 200, f"POST /downloads returned {response.status} {response.text}")
    arn = response.json["executionArn"]
    since = time.time() - 1
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("downloading", total=len(paths))
        while True:
            status = status_of(aws, arn)
            progress.update(task, completed=len(stored(aws, address, since).keys() & set(paths)))
            if status["status"] != "RUNNING":
                return Run(address, paths, arn, status, time.monotonic() - started)
            if time.monotonic() - started > SCENE_SECONDS:
                raise LocalError(f"{arn} has not ended after {SCENE_SECONDS} s.")
            time.sleep(0.2)


def status_of(aws: Aws, arn: str) -> dict[str, Any]:
    """The execution's status from the API, as any client with the permission gets it."""
    response = api.call(aws, "GET", f"/executions/{quote(arn, safe='')}")
    expect(response.status == 200, f"GET /executions returned {response.status} {response.text}")
    status: dict[str, Any] = response.json
    return status


def stored(aws: Aws, address: str, since: float = 0) -> dict[str, str]:
    """Keys of the bucket's objects from this server, by path."""
    prefix = f"{address.partition('://')[2]}/"
    pages = aws.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=aws.outputs["ImagesBucket"], Prefix=prefix)
    return {
        item["Key"].removeprefix(prefix): item["Key"]
        for page in found
        for item in page.get("Contents", [])
        if item["LastModified"].timestamp() >= int(since)
    }


def body_of(aws: Aws, key: str) -> bytes:
    found = aws.client("s3").get_object(Bucket=aws.outputs["ImagesBucket"], Key=key)
    body: bytes = found["Body"].read()
    return body


def check_all_stored(aws: Aws, run: Run, folder: Path) -> None:
    expect(run.status["status"] == "SUCCEEDED", f"{run.arn} ended {run.status}")
    keys = stored(aws, run.base_url)
    expect(set(keys) == set(run.paths), f"{len(keys)} objects for {len(run.paths)} paths")
    for path, key in keys.items():
        same = body_of(aws, key) == (folder / path).read_bytes()
        expect(same, f"{key} differs from the file on the server")
    recorded = aws.client("dynamodb").batch_get_item(
        RequestItems={
            aws.outputs["ImagesTable"]: {
                "Keys": [{"url": {"S": f"{run.base_url}/{path}"}} for path in run.paths[:100]]
            }
        }
    )["Responses"][aws.outputs["ImagesTable"]]
    expect(
        len(recorded) == len(run.paths[:100]),
        f"{len(recorded)} of {len(run.paths[:100])} images are in the table",
    )
    expect(run.output["recorded"]["images"] == len(run.paths), "not all were recorded")


def check_failures(run: Run, messages: list[str], missing: list[str]) -> None:
    ended = (run.status["status"], run.status.get("error"))
    expect(ended == ("FAILED", "DownloadsFailedError"), f"{run.arn} ended {ended}")
    expected = [f"Could not find: {run.base_url}/{path}" for path in missing]
    expect(messages == expected, f"the topic published {messages}")


@contextmanager
def failures(aws: Aws) -> Iterator[str]:
    """A queue that receives what the topic publishes, while in `with`."""
    sqs, sns = aws.client("sqs"), aws.client("sns")
    name, topic = f"demo-images-{time.time_ns()}", aws.outputs["ImagesFailedTopicArn"]
    arn = f"arn:aws:sqs:{REGION}:{topic.split(':')[4]}:{name}"
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    queue: str = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )
    try:
        yield queue
    finally:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=queue)


def published_messages(aws: Aws, queue: str) -> list[str]:
    """The failure messages in the first publication."""
    sqs = aws.client("sqs")
    received = until(
        "the failures on the queue",
        lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages"),
        seconds=20,
    )
    messages: list[str] = json.loads(json.loads(received[0]["Body"])["Message"])
    return messages


def contact_sheet(aws: Aws, address: str, paths: list[str]) -> Path:
    """A page with every image as it is in the bucket."""
    keys = stored(aws, address)
    figures = "\n".join(
        f'<figure><img alt="" src="data:image/png;base64,'
        f'{base64.b64encode(body_of(aws, keys[path])).decode()}">'
        f"<figcaption>{html.escape(path.rpartition('/')[2])}</figcaption></figure>"
        for path in paths
    )
    bucket = html.escape(aws.outputs["ImagesBucket"])
    page = aws.settings.directory / "contact-sheet.html"
    page.write_text(
        f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{len(paths)} images</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto;
    padding: 0 1rem }}
  main {{ display: grid; gap: .8rem;
    grid-template-columns: repeat(auto-fill, minmax(4.5rem, 1fr)) }}
  figure {{ margin: 0; text-align: center }}
  img {{ width: 100%; border: 1px solid #8886; border-radius: 2px; image-rendering: pixelated }}
  figcaption {{ font-size: .75rem; opacity: .7 }}
</style>
<h1>{len(paths)} images</h1>
<p>Stored in <code>s3://{bucket}</code>, from {html.escape(address)}.</p>
<main>
{figures}
</main>
</html>
"""
    )
    return page


def expect(condition: bool, problem: str) -> None:
    if not condition:
        raise LocalError(f"The images workflow did not do what it should: {problem}.")
