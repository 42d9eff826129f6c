"""The function processFile, measured in a fresh process: from S3 to the table, with every check.

`python process_file.py <connections> [<file>]` prints one line of JSON. With a file, that is read
from disk instead: the memory is that of the code of this repository, without that of boto3, which
reads the file from S3. It is run as a script: the package bench.ingest would take memory, too.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data import peak_kib  # type: ignore[import-not-found]

REMAINING_MS = 900_000  # of the Lambda's time


class _Context:
    """A Lambda context."""

    function_name = aws_request_id = invoked_function_arn = "bench"
    memory_limit_in_mb = 1769

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING_MS


def whole_function() -> dict[str, Any]:
    os.environ |= {
        "READINGS_TABLE": "readings",
        "TARGET_BUCKET": "target",
        "STAGE": "bench",
        "LOG_LEVEL": "ERROR",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    from handlers.sensor.process_file import handler
    from handlers.shared.clients import client

    client("s3")
    event = {
        "execution": "arn:aws:states:us-east-1:123456789012:execution:bench:1",
        "source": {"bucketName": "source", "objectKey": "file.csv"},
    }
    return measured(lambda: handler(event, _Context()))


def write_path(path: Path) -> dict[str, Any]:
    from handlers.sensor.distinct_keys import DistinctKeys
    from handlers.sensor.lines import numbered_blocks
    from handlers.sensor.readings import BlockParser
    from handlers.sensor.store import ReadingStore
    from handlers.sensor.time_budget import TimeBudget

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                yield chunk

    def run() -> dict[str, Any]:
        keys, parser = DistinctKeys(), BlockParser()
        with ReadingStore("readings", TimeBudget(_Context())) as store:
            for _, block in numbered_blocks(chunks()):
                rows, _, _ = parser.parse(block)
                store.put(rows)
                keys.add(rows)
        result = {"stored": keys.count, "duplicates": keys.duplicates}
        keys.close()
        return result

    return measured(run)


def measured(run: Any) -> dict[str, Any]:
    started, cpu = time.perf_counter(), time.process_time()
    result = run()
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "peak_kib": peak_kib(),
        "stored": result["stored"],
        "duplicates": result["duplicates"],
    }


def main() -> None:
    from handlers.shared.aws_http.batch_writer import BatchWriter

    connections, *file = sys.argv[1:]
    defaults: Any = BatchWriter.__init__.__kwdefaults__
    defaults["connections"] = int(connections)
    result = write_path(Path(file[0])) if file else whole_function()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
