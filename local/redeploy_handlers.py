"""Deploy changed handlers to the local AWS in seconds, without the Serverless Framework.

This module builds the functions' packages as `serverless package` does. Each function whose package
has changed gets the new one, under its key in the deployment bucket.
"""

import base64
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import Aws, until
from local.settings import STACK
from plugins import packages


@dataclass(frozen=True)
class Function:
    """A deployed function, and the key of its package in the deployment bucket."""

    name: str
    handler: str
    runtime: str
    key: str


def sources() -> list[Path]:
    """All files of this checkout that a package may have."""
    handlers = packages.ROOT / packages.HANDLERS
    return sorted(path for path in handlers.rglob("*.py") if path.is_file())


def update(aws: Aws) -> None:
    """Make every function run the checkout's handlers."""
    deployed = list(_deployed(aws))
    bucket = aws.outputs["ServerlessDeploymentBucketName"]
    s3, functions = aws.client("s3"), aws.client("lambda")
    running = _digests(aws)
    changed: dict[str, str] = {}
    for function, package in _built(deployed):
        # The framework compares this digest with that of the next package to detect changes.
        digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
        if running.get(function.name) == digest:
            continue
        s3.put_object(
            Bucket=bucket, Key=function.key, Body=package, Metadata={"filesha256": digest}
        )
        functions.update_function_code(
            FunctionName=function.name, S3Bucket=bucket, S3Key=function.key
        )
        changed[function.name] = digest
    until(
        "the functions to load the changed code", lambda: changed.items() <= _digests(aws).items()
    )


def _built(deployed: list[Function]) -> Iterator[tuple[Function, bytes]]:
    handlers = {function.name: function.handler for function in deployed}
    own_runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    byte_code = all(function.runtime == own_runtime for function in deployed)
    with tempfile.TemporaryDirectory() as folder:
        packages.build(handlers, Path(folder), byte_code=byte_code)
        for function in deployed:
            yield function, (Path(folder) / f"{function.name}.zip").read_bytes()


def _deployed(aws: Aws) -> Iterator[Function]:
    """The functions of the stack's template."""
    found = aws.client("cloudformation").get_template(StackName=STACK)["TemplateBody"]
    template: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            yield Function(
                name=properties["FunctionName"],
                handler=properties["Handler"],
                runtime=properties["Runtime"],
                key=properties["Code"]["S3Key"],
            )


def _digests(aws: Aws) -> dict[str, str]:
    """The digest of the package that each function has loaded."""
    pages = aws.client("lambda").get_paginator("list_functions").paginate()
    return {
        function["FunctionName"]: function["CodeSha256"]
        for page in pages
        for function in page["Functions"]
        if function["LastUpdateStatus"] == "Successful"
    }
