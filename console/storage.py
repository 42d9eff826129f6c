"""What runs have stored: an object in S3, an item of a DynamoDB table.

Only buckets and tables of the stack are read. An object is what somebody else wrote: the page gets
the beginning of a text, or JSON, and of everything else only what it is.
"""

import json
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from console.aws import BadRequestError, NotAllowedError, NotFoundError, translated
from console.core import Console
from console.history import millis
from console.redaction import Redaction
from console.stack import Resource
from console.table_items import plain, typed_key
from console.values import parsed
from console.web import Server

MOST = 65_536  # bytes of an object that a page shows
_EMPTY = "InvalidRange"  # an empty object has no first byte


def _needed(console: Console, kind: str, name: str) -> Resource:
    found = console.inventory.resource(kind, name)
    if found is None:
        raise NotFoundError(f"The stack {console.stack} has no {kind} {name}.")
    return found


# -- Objects --------------------------------------------------------------------------------------


def read_object(console: Console, request: Request) -> dict[str, Any]:
    """An object, and its beginning if that is text."""
    query = request.query_params
    bucket, key, version = (query.get(name, "") for name in ("bucket", "object", "version"))
    resource = _needed(console, "bucket", bucket)
    if not key:
        raise BadRequestError("The address names no object.")
    which = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    try:
        try:
            found = console.aws.call("s3", "get_object", Range=f"bytes=0-{MOST - 1}", **which)
            content = translated("s3", "get_object", partial(found["Body"].read, MOST))
        except BadRequestError as error:
            if _EMPTY not in error.message:
                raise
            found, content = console.aws.call("s3", "head_object", **which), b""
    except NotAllowedError as error:
        if not version:
            raise
        action, named = "s3:GetObject", "s3:GetObjectVersion"  # IAM's action for a version
        raise NotAllowedError(
            error.message.replace(f"{action}.", f"{named}."),
            (error.action or "").replace(f"{action}.", f"{named}.", 1),
        ) from None
    except NotFoundError:
        what = "no such version of the object" if version else "no such object"
        raise NotFoundError(
            f"There is {what} in the bucket {resource.title}: {key}",
            "It was moved, deleted or has expired.",
        ) from None
    size = size_of(found)
    return {
        "bucket": bucket,
        "title": resource.title,
        "name": key,
        "version": found.get("VersionId"),
        "size": size,
        "type": found.get("ContentType"),
        "encoding": found.get("ContentEncoding"),
        "modified": millis(found["LastModified"]),
        "storageClass": found.get("StorageClass"),
        "metadata": found.get("Metadata", {}),
        "content": shown(console.redaction, content, size, str(found.get("ContentType", ""))),
    }


def size_of(found: dict[str, Any]) -> int:
    """The size of the whole object, of which a part was read: "bytes 0-65535/1378981"."""
    total = str(found.get("ContentRange", "")).rpartition("/")[2]
    return int(total) if total.isdecimal() else int(found.get("ContentLength", 0))


def shown(redaction: Redaction, content: bytes, size: int, kind: str) -> dict[str, Any]:
    """What a page shows of an object's first bytes: JSON, a text, or only its form."""
    if not size:
        return {"form": "empty"}
    text = as_text(content, whole=size <= len(content))
    if text is None:
        return {"form": "image" if kind.lower().startswith("image/") else "binary"}
    if size <= len(content):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(value, dict | list):
                return {"form": "json", "value": redaction.clean(value)}
    else:
        text = _without_cut_end(text)
    # A line may be JSON, although the whole is not.
    lines = [redaction.text(line) for line in text.split("\n")]
    shown_bytes = size if size <= len(content) else len(text.encode())
    return {"form": "text", "text": redaction.text("\n".join(lines)), "bytes": shown_bytes}


def as_text(content: bytes, whole: bool) -> str | None:
    """UTF-8 as text. None if it is something else."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The last letter may have been cut off.
        if whole or error.end < len(content) or len(content) - error.start > 3:
            return None
        return content[: error.start].decode("utf-8-sig")


def _without_cut_end(text: str) -> str:
    """A text up to its last whole line or word: half a secret is not found."""
    for end in (text.rfind("\n"), text.rfind(" ")):
        if end > 0:
            return text[:end]
    return text


# -- Items ----------------------------------------------------------------------------------------


def read_item(console: Console, request: Request) -> dict[str, Any]:
    """An item of a table, as JSON."""
    table = request.query_params.get("table", "")
    resource = _needed(console, "table", table)
    key = typed_key(parsed(request.query_params.get("item", "")))
    found = console.aws.call("dynamodb", "get_item", TableName=table, Key=key, ConsistentRead=True)
    if "Item" not in found:
        raise NotFoundError(
            f"The table {resource.title} has no item with this key.",
            "It was deleted or has expired.",
        )
    item = plain(found["Item"])
    console.redaction.learn_from(item)
    return {"table": table, "title": resource.title, "key": plain(key), "item": item}


def routes(server: Server) -> list[Route]:
    return [server.get("object", read_object), server.get("item", read_item)]
