"""Lambda functions on ministack in this process: each worker is a real Python process."""

import base64
import io
import json
import textwrap
import uuid
import zipfile
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc


def zipped(code: str) -> bytes:
    """A package with a module `main`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", textwrap.dedent(code))
    return buffer.getvalue()


class Functions:
    """Functions of one test, gone with their processes after it."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def create(self, code: str, **configuration: Any) -> str:
        """Create a function from the code of its `handler(event, context)`; returns its ARN."""
        name = f"function-{uuid.uuid4().hex[:8]}"
        request = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Role": "arn:aws:iam::000000000000:role/r",
            "Handler": "main.handler",
            "Timeout": 20,
            "Code": {"ZipFile": base64.b64encode(zipped(code)).decode()},
            **configuration,
        }
        status, _, body = lambda_svc._create_function(request)
        assert status == 201, body
        self._names.append(name)
        return str(json.loads(body)["FunctionArn"])

    def record(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = lambda_svc._functions[arn.rpartition(":")[2]]
        return found

    def call(self, arn: str, event: Any = None) -> Any:
        return lambda_svc._execute_function(self.record(arn), event)

    def processes(self, arn: str) -> int:
        pools = lambda_runtime._workers.items()
        return sum(len(pool) for key, pool in pools if f":{arn.rpartition(':')[2]}:" in key)

    def remove(self) -> None:
        for name in self._names:
            lambda_runtime.invalidate_worker(name)
            lambda_svc._functions.pop(name, None)
