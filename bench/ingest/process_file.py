"""The function processFile, measured in a fresh process: from S3 to the table, with every check.

`python process_file.py <connections>` prints one line of JSON. It is run as a script: the package
bench.ingest would take memory, too.
"""

import json
import os
import sys
import time
from typing import Any

from data import peak_kib  # type: ignore[import-not-found]

REMAINING_MS = 900_000  # of the Lambda's time


class Context:
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

    event = {
        "execution": "arn:aws:states:us-east-1:123456789012:execution:bench:1",
        "source": {"bucketName": "source", "objectKey": "file.csv"},
    }
    return measured(lambda: handler(event, Context()))


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

    defaults: Any = BatchWriter.__init__.__kwdefaults__
    defaults["connections"] = int(sys.argv[1])
    result = whole_function()
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
