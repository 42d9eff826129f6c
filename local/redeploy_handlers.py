"""Deploy changed handlers to the local AWS in seconds, without packaging the whole service.

The deployed package is in the deployment bucket. This module replaces its handlers with those of
the checkout, and every function loads it again. The result is the package that `serverless package`
makes of the same checkout: the same names, contents and modes, in the same order.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import Aws, until
from local.settings import ROOT, STACK

FOLDER = "handlers"
# The date that osls gives each file of a package (its zip-service.js).
DATE = (1980, 1, 1, 0, 0, 0)
MODE, EXECUTABLE = 0o100644, 0o100755


@dataclass(frozen=True)
class Deployed:
    """The package in the deployment bucket, and the functions that run it."""

    bucket: str
    key: str
    functions: tuple[str, ...]


def sources() -> list[Path]:
    """All files of this checkout that are in a package (serverless.yml, package.patterns)."""
    return sorted(path for path in (ROOT / FOLDER).rglob("*.py") if path.is_file())


def update(aws: Aws) -> None:
    """Make every function run the checkout's handlers."""
    deployed = _deployed(aws)
    s3, functions = aws.client("s3"), aws.client("lambda")
    package = s3.get_object(Bucket=deployed.bucket, Key=deployed.key)["Body"].read()
    changed = with_sources(package)
    # The framework compares this digest with that of the next package to detect changes.
    digest = base64.b64encode(hashlib.sha256(changed).digest()).decode()
    s3.put_object(
        Bucket=deployed.bucket, Key=deployed.key, Body=changed, Metadata={"filesha256": digest}
    )
    for name in deployed.functions:
        functions.update_function_code(
            FunctionName=name, S3Bucket=deployed.bucket, S3Key=deployed.key
        )
    until("the functions to load the changed code", lambda: _are_loaded(aws, deployed, digest))


def with_sources(package: bytes) -> bytes:
    """A package with the checkout's handlers instead of its own."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(package)) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for path in sources():
            new.writestr(_entry(path), path.read_bytes())
        for entry in old.infolist():
            if not entry.filename.startswith(f"{FOLDER}/"):
                new.writestr(entry, old.read(entry))
    return written.getvalue()


def _entry(path: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, because the modes are Unix modes
    entry.external_attr = (EXECUTABLE if path.stat().st_mode & 0o100 else MODE) << 16
    return entry


def _deployed(aws: Aws) -> Deployed:
    """The functions' code according to the stack's template."""
    found = aws.client("cloudformation").get_template(StackName=STACK)["TemplateBody"]
    template = json.loads(found) if isinstance(found, str) else found
    functions = list(_functions(template))
    (key,) = {properties["Code"]["S3Key"] for properties in functions}
    names = tuple(properties["FunctionName"] for properties in functions)
    return Deployed(aws.outputs["ServerlessDeploymentBucketName"], key, names)


def _functions(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            yield resource["Properties"]


def _are_loaded(aws: Aws, deployed: Deployed, digest: str) -> bool:
    pages = aws.client("lambda").get_paginator("list_functions").paginate()
    loaded = {
        function["FunctionName"]
        for page in pages
        for function in page["Functions"]
        if function["CodeSha256"] == digest and function["LastUpdateStatus"] == "Successful"
    }
    return loaded.issuperset(deployed.functions)
