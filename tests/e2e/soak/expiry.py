"""What lifecycle rules and time to live do on AWS in days: the soak does it in minutes.

Otherwise the memory of the local AWS would grow by the data that the traffic stores.
"""

import threading
import time
from typing import Any

from botocore.exceptions import ClientError

from local.aws import Aws

LIFETIME_SECONDS = 300  # longer than an item takes
INTERVAL_SECONDS = 30


class Expiry:
    """Deletes objects, versions and items that are older than LIFETIME_SECONDS."""

    def __init__(self, aws: Aws) -> None:
        self._s3, self._dynamodb = aws.client("s3"), aws.client("dynamodb")
        self._seen: dict[tuple[str, str], float] = {}  # items, and when they were first seen
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Expiry":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            try:
                self._expire_objects()
                self._expire_items()
            except ClientError as error:
                print(f"could not delete old data: {error}")

    def _expire_objects(self) -> None:
        before = time.time() - LIFETIME_SECONDS
        for bucket in self._s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            if "deployment" in name.lower():  # the packages of the functions
                continue
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=name)
            for version in (
                found
                for page in pages
                for found in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ):
                if version["LastModified"].timestamp() < before:
                    self._s3.delete_object(
                        Bucket=name, Key=version["Key"], VersionId=version["VersionId"]
                    )

    def _expire_items(self) -> None:
        now, present = time.monotonic(), {}
        for table in self._dynamodb.list_tables()["TableNames"]:
            schema = self._dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
            names = [key["AttributeName"] for key in schema]
            ttl = self._dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            for item in self._items(table):
                if ttl["TimeToLiveStatus"] == "ENABLED" and ttl["AttributeName"] not in item:
                    continue  # it is to stay for ever
                key = {name: item[name] for name in names}
                identity = (table, str(key))
                present[identity] = self._seen.get(identity, now)
                if present[identity] < now - LIFETIME_SECONDS:
                    self._dynamodb.delete_item(TableName=table, Key=key)
                    del present[identity]
        self._seen = present

    def _items(self, table: str) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]
