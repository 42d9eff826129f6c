"""The documents of a run in S3, which are too large to pass from state to state."""

import json
from typing import Any

from botocore.exceptions import ClientError

from handlers.images.errors import RunDocumentMissingError
from handlers.shared import settings
from handlers.shared.clients import client
from handlers.shared.errors import error_code, http_status, translate_aws_errors
from handlers.shared.events import field

PLAN = "plan.json"
REPORT = "report.json"


def result_name(batch: int) -> str:
    return f"results/{batch}.json"


class Run:
    """The folder of one execution in the bucket for runs.

    Each document has one name and one writer, so writing it again is idempotent.
    """

    def __init__(self, bucket: str, execution_arn: str) -> None:
        self.name = execution_arn.rpartition(":")[2]
        self._bucket = bucket

    @classmethod
    def of_event(cls, event: dict[str, Any]) -> "Run":
        return cls(settings.text("RUNS_BUCKET"), field(event, "execution"))

    def uri(self, name: str) -> str:
        return f"s3://{self._bucket}/{self.name}/{name}"

    def save(self, name: str, document: Any) -> str:
        """Write a document; returns its URI."""
        with translate_aws_errors(f"writing {self.uri(name)}"):
            client("s3").put_object(
                **self._object(name),
                ContentType="application/json",
                Body=json.dumps(document, separators=(",", ":")).encode(),
            )
        return self.uri(name)

    def load(self, name: str) -> Any:
        """Read a document. Raises RunDocumentMissingError if it does not exist."""
        with translate_aws_errors(f"reading {self.uri(name)}"):
            try:
                body = client("s3").get_object(**self._object(name))["Body"].read()
            except ClientError as error:
                if http_status(error) == 404:
                    raise RunDocumentMissingError(f"There is no {self.uri(name)}.") from error
                raise
        return json.loads(body)

    def mark_begun(self, step: str) -> bool:
        """Mark a step as begun; true only for the first call, even among concurrent calls."""
        with translate_aws_errors(f"marking {step} as begun"):
            try:
                client("s3").put_object(**self._object(f"begun/{step}"), IfNoneMatch="*")
            except ClientError as error:
                if error_code(error) == "PreconditionFailed":
                    return False
                raise
        return True

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self.name}/{name}"}
