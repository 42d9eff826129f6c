"""What AWS refuses and moto takes: limits of keys and arguments, and text that is no UTF-8."""

from collections.abc import Iterator
from typing import Any

from tests.unit.fakes import client_error

MAX_KEY = 2048  # bytes of a partition key; DynamoDB
MAX_EXECUTION_ARN = 256  # characters; Step Functions
_KEYED = ("Key", "ExclusiveStartKey", "ExpressionAttributeValues")


def be_strict(client: Any) -> None:
    """Let this client refuse what the service would."""
    service = client.meta.service_model.service_name
    client.meta.events.register(f"provide-client-params.{service}.*", _check)


def _check(params: dict[str, Any], **_: Any) -> None:
    for text in _texts(params):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise client_error("SerializationException") from None
    for name in _KEYED:
        for value in params.get(name, {}).values():
            if "S" in value and name != "ExpressionAttributeValues" and not value["S"]:
                raise client_error("ValidationException", message="an empty key")
            if "S" in value and len(value["S"].encode()) > MAX_KEY:
                raise client_error("ValidationException", message="a key of more than 2048 bytes")
            if "N" in value and len(value["N"].strip("-").replace(".", "")) > 38:
                raise client_error("ValidationException", message="a number of more than 38 digits")
    if len(params.get("executionArn", "")) > MAX_EXECUTION_ARN:
        raise client_error("ValidationException", message="an ARN of more than 256 characters")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
