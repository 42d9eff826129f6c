"""One way to copy images from the web into S3, measured in a fresh process.

`python -m bench.images.cases <way> <concurrency> <images> <web> <s3>` prints one line of JSON.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from typing import Any

BATCH_SIZES = (5, 10, 25, 50)
REMAINING_MS = 900_000  # of the Lambda's time
IMAGE = bytes(range(256)) * 40  # about as large as those of the web server


def one_by_one(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    import boto3
    import requests

    client = boto3.client("s3")

    def run() -> None:
        for url in urls:
            body = requests.get(url, timeout=10).content
            client.put_object(Bucket="images", Key=_key(url), Body=body)

    return run


def threads(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    import boto3
    import requests
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=concurrency))

    def download(url: str) -> None:
        body = requests.get(url, timeout=10).content
        client.put_object(Bucket="images", Key=_key(url), Body=body)

    def run() -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(download, urls))

    return run


def session(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    import boto3
    import requests
    from botocore.config import Config
    from requests.adapters import HTTPAdapter

    client = boto3.client("s3", config=Config(max_pool_connections=concurrency))
    pooled = requests.Session()
    pooled.mount("http://", HTTPAdapter(pool_maxsize=concurrency))

    def download(url: str) -> None:
        body = pooled.get(url, timeout=10).content
        client.put_object(Bucket="images", Key=_key(url), Body=body)

    def run() -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(download, urls))

    return run


def aiohttp(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    """aiohttp for both requests; botocore signs the PUT."""
    import aiohttp
    import boto3
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = boto3.Session().get_credentials().get_frozen_credentials()

    async def download(http: aiohttp.ClientSession, slots: asyncio.Semaphore, url: str) -> None:
        async with slots:
            async with http.get(url) as response:
                body = await response.read()
            request = AWSRequest("PUT", f"{s3}/images/{_key(url)}", {}, body)
            S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
            async with http.put(request.url, data=body, headers=dict(request.headers)) as response:
                assert response.status == 200

    async def download_all() -> None:
        slots = asyncio.Semaphore(concurrency)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            await asyncio.gather(*(download(http, slots, url) for url in urls))

    return lambda: asyncio.run(download_all())


def download_batch(
    concurrency: int, urls: list[str], s3: str, *, batch_size: int | None = None
) -> Callable[[], None]:
    """The Lambda function itself, warm: plan from S3, checks, retries, limits and report.

    It is called for one batch after the other; by default, all images are one batch.
    """
    os.environ |= {
        "RUNS_BUCKET": "runs",
        "IMAGES_BUCKET": "images",
        "MAX_BYTES": "26214400",
        "READ_SECONDS": "10",
        "ITEM_SECONDS": "120",
        "ALLOW_PRIVATE_HOSTS": "true",
        "STAGE": "bench",
        "LOG_LEVEL": "ERROR",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    from handlers.images.download_batch import handler
    from handlers.images.plan import Plan
    from handlers.images.run import PLAN, Run

    def run(name: str, urls: list[str]) -> None:
        base, paths = urls[0].rpartition("/")[0], [_key(url) for url in urls]
        execution = f"arn:aws:states:us-east-1:123456789012:execution:bench:{name}"
        size = batch_size or len(paths)
        Run("runs", execution).save(PLAN, Plan(base, tuple(paths), concurrency, size).as_document())
        batches = range(ceil(len(paths) / size))
        results = [handler({"execution": execution, "batch": n}, _Context()) for n in batches]
        assert sum(result["succeeded"] for result in results) == len(paths), results

    run("warm-up", urls[:2])
    return lambda: run("measured", urls)


def put_object(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    """The second half alone: boto3."""
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=concurrency))
    return _puts(
        concurrency, urls, lambda key: client.put_object(Bucket="images", Key=key, Body=IMAGE)
    )


def image_store(concurrency: int, urls: list[str], s3: str) -> Callable[[], None]:
    """The second half alone: what downloadBatch does."""
    from handlers.images.image_store import ImageStore

    store = ImageStore("images", "bench")
    return _puts(
        concurrency,
        urls,
        lambda key: store.put(
            key, IMAGE, size=len(IMAGE), content_type="image/png", content_encoding=None
        ),
    )


def _puts(concurrency: int, urls: list[str], put: Callable[[str], Any]) -> Callable[[], None]:
    pool = ThreadPoolExecutor(concurrency)

    def run(urls: list[str] = urls) -> None:
        list(pool.map(put, map(_key, urls)))

    run(urls[: 2 * concurrency])  # now the connections are open
    return run


class _Context:
    """A Lambda context."""

    function_name = aws_request_id = invoked_function_arn = "bench"
    memory_limit_in_mb = 1024

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING_MS


def _key(url: str) -> str:
    return url.rpartition("/")[2]


WAYS: dict[str, Any] = {
    way.__name__: way
    for way in (one_by_one, threads, session, aiohttp, download_batch, put_object, image_store)
} | {f"batches_of_{size}": partial(download_batch, batch_size=size) for size in BATCH_SIZES}


def main() -> None:
    way, concurrency, images, web, s3 = sys.argv[1:]
    os.environ |= {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    urls = [f"{web}/flags/{number:05}.png" for number in range(int(images))]
    run = WAYS[way](int(concurrency), urls, s3)
    started, cpu = time.perf_counter(), time.process_time()
    run()
    measured = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
