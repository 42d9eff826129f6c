"""Other ways to write rows to DynamoDB, each measured in an environment of its own.

`python peers.py <way> <file> <rows> <connections>` prints one line of JSON. The rows are parsed
before the measurement begins: a peer only writes.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from data import peak_kib, read_rows  # type: ignore[import-not-found]

TABLE = "readings"
Rows = list[tuple[str, int, str]]


def batches(rows: Rows) -> list[Rows]:
    """25 rows each, without a key twice: DynamoDB refuses that."""
    unique = {(sensor, timestamp): value for sensor, timestamp, value in rows}
    distinct = [(*key, value) for key, value in unique.items()]
    return [distinct[start : start + 25] for start in range(0, len(distinct), 25)]


def per_row(rows: Rows, connections: int) -> Callable[[], None]:
    import boto3

    table = boto3.resource("dynamodb").Table(TABLE)

    def run() -> None:
        for sensor, timestamp, value in rows:
            table.put_item(
                Item={"sensor_id": sensor, "timestamp": timestamp, "value": Decimal(value)}
            )

    return run


def batch_writer(rows: Rows, connections: int) -> Callable[[], None]:
    import boto3
    from botocore.config import Config

    def write(part: Rows) -> None:
        table = boto3.resource("dynamodb", config=Config(max_pool_connections=1)).Table(TABLE)
        with table.batch_writer(overwrite_by_pkeys=["sensor_id", "timestamp"]) as batch:
            for sensor, timestamp, value in part:
                batch.put_item(
                    Item={"sensor_id": sensor, "timestamp": timestamp, "value": Decimal(value)}
                )

    def run() -> None:
        if connections == 1:
            write(rows)
            return
        parts: list[Rows] = [[] for _ in range(connections)]
        for row in rows:  # a key keeps to one thread, so its last value stays
            parts[hash(row[:2]) % connections].append(row)
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(write, parts))

    return run


def awswrangler(rows: Rows, connections: int) -> Callable[[], None]:
    import awswrangler as wr  # type: ignore[import-not-found]

    unique = {(sensor, timestamp): value for sensor, timestamp, value in rows}

    def run() -> None:
        items = [
            {"sensor_id": sensor, "timestamp": timestamp, "value": Decimal(value)}
            for (sensor, timestamp), value in unique.items()
        ]
        wr.dynamodb.put_items(items=items, table_name=TABLE)

    return run


def aiobotocore(rows: Rows, connections: int) -> Callable[[], None]:
    from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
    from aiobotocore.session import get_session  # type: ignore[import-not-found]

    async def write() -> None:
        config = AioConfig(max_pool_connections=connections)
        async with get_session().create_client("dynamodb", config=config) as client:
            waiting = iter(batches(rows))

            async def worker() -> None:
                for batch in waiting:
                    requests = [
                        {
                            "PutRequest": {
                                "Item": {
                                    "sensor_id": {"S": sensor},
                                    "timestamp": {"N": str(timestamp)},
                                    "value": {"N": value},
                                }
                            }
                        }
                        for sensor, timestamp, value in batch
                    ]
                    while requests:
                        response = await client.batch_write_item(RequestItems={TABLE: requests})
                        requests = response["UnprocessedItems"].get(TABLE, [])

            await asyncio.gather(*(worker() for _ in range(connections)))

    return lambda: asyncio.run(write())


def aiodynamo(rows: Rows, connections: int) -> Callable[[], None]:
    from aiodynamo.client import Client  # type: ignore[import-not-found]
    from aiodynamo.credentials import Credentials  # type: ignore[import-not-found]
    from aiodynamo.http.aiohttp import AIOHTTP  # type: ignore[import-not-found]
    from aiodynamo.models import BatchWriteRequest  # type: ignore[import-not-found]
    from aiohttp import ClientSession, TCPConnector
    from yarl import URL

    async def write() -> None:
        async with ClientSession(connector=TCPConnector(limit=connections)) as session:
            client = Client(
                AIOHTTP(session),
                Credentials.auto(),
                os.environ["AWS_DEFAULT_REGION"],
                endpoint=URL(os.environ["AWS_ENDPOINT_URL"]),
            )
            waiting = iter(batches(rows))

            async def worker() -> None:
                for batch in waiting:
                    items = [
                        {"sensor_id": sensor, "timestamp": timestamp, "value": Decimal(value)}
                        for sensor, timestamp, value in batch
                    ]
                    await client.batch_write({TABLE: BatchWriteRequest(items_to_put=items)})

            await asyncio.gather(*(worker() for _ in range(connections)))

    return lambda: asyncio.run(write())


WAYS: dict[str, Any] = {
    way.__name__: way for way in (per_row, batch_writer, awswrangler, aiobotocore, aiodynamo)
}


def main() -> None:
    way, file, count, connections = sys.argv[1:]
    rows = list(itertools.islice(read_rows(Path(file)), int(count)))
    run = WAYS[way](rows, int(connections))
    started, cpu = time.perf_counter(), time.process_time()
    run()
    measured = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "peak_kib": peak_kib(),
    }
    sys.stdout.write(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()
