"""A function of the segmented path, measured in a fresh process: the whole file is one segment.

`python segment.py index_segment|reconcile_partition|process_segment <file size>` prints one line of
JSON. It is run as a script, as process_file.py is.
"""

import json
import os
import sys
import time
from importlib import import_module
from typing import Any

from data import peak_kib  # type: ignore[import-not-found]
from process_file import Context  # type: ignore[import-not-found]

ETAG = "0123456789abcdef"  # of the stub's file


def event(size: int) -> dict[str, Any]:
    return {
        "execution": "arn:aws:states:us-east-1:123456789012:execution:bench:1",
        "plan": {
            "source": {"bucketName": "source", "objectKey": "file.csv", "etag": ETAG},
            "size": size,
            "segments": 1,
            "partitions": 1,
            "bucket": "work",
            "prefix": "run/",
            "plannedAt": 0,
        },
        "segment": {"number": 0, "start": 0, "end": size},
        "partition": {"number": 0},
    }


def main() -> None:
    os.environ |= {"READINGS_TABLE": "readings", "STAGE": "bench", "LOG_LEVEL": "ERROR"}
    name, size = sys.argv[1], int(sys.argv[2])
    handler = import_module(f"handlers.sensor.{name}").handler
    cpu = time.process_time()
    handler(event(size), Context())
    result = {
        "cpu": time.process_time() - cpu,
        "peak_kib": peak_kib(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
