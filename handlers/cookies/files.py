"""The files of an execution: `<execution name>/…` in the bucket.

Every key is computed from the event only, so that a repeated write replaces the same file.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from handlers.cookies.errors import ResultMissingError
from handlers.shared.clients import client
from handlers.shared.errors import InvalidEventError, http_status, translate_aws_errors
from handlers.shared.text import is_utf8

URL_SECONDS = 15 * 60
REPORT = "0-cookies.json"
_MAX_SLUG = 60
_EMPTY_SLUG = "unnamed"


@dataclass(frozen=True)
class Person:
    """The n-th name in an execution's list. Names may repeat; `n` does not."""

    execution: str
    n: int
    name: str

    @classmethod
    def from_detail(cls, detail: Mapping[str, Any]) -> "Person":
        n, name = detail["n"], detail["name"]
        if type(n) is not int or n < 0 or not isinstance(name, str) or not is_utf8(name):
            raise InvalidEventError(
                "`n` must be a whole number, 0 or more, and `name` a string that UTF-8 can encode."
            )
        return cls(detail["execution"], n, name)

    @property
    def basic_key(self) -> str:
        return self._key("basic")

    @property
    def final_key(self) -> str:
        return self._key("final")

    def _key(self, kind: str) -> str:
        return f"{folder(self.execution)}/{kind}-{self.n}-{slug(self.name)}.json"


def folder(execution: str) -> str:
    """The execution's name, from its ARN: the folder of its files."""
    return execution.rpartition(":")[2]


def report_key(execution: str) -> str:
    return f"{folder(execution)}/{REPORT}"


def slug(name: str) -> str:
    """A name in a form that is safe in any key: lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"['’`]", "", plain)).strip("-")
    return words[:_MAX_SLUG].strip("-") or _EMPTY_SLUG


def write(bucket: str, key: str, content: Mapping[str, Any]) -> None:
    with translate_aws_errors(f"writing s3://{bucket}/{key}"):
        client("s3").put_object(
            Bucket=bucket,
            Key=key,
            Body=json.dumps(content, indent=2).encode(),
            ContentType="application/json",
        )


def read(bucket: str, key: str) -> dict[str, Any]:
    """The content of a file; ResultMissingError if there is none."""
    with translate_aws_errors(f"reading s3://{bucket}/{key}"):
        try:
            body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if http_status(error) == 404:
                raise ResultMissingError(f"s3://{bucket}/{key} is missing.") from error
            raise
    content: dict[str, Any] = json.loads(body)
    return content


def presigned_get(bucket: str, key: str) -> str:
    """A URL with which anyone can read the file for 15 minutes, so it is a secret."""
    url: str = client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=URL_SECONDS
    )
    return url
