"""Signature requests in DynamoDB; every change is conditional, so that two never cross."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.clients import client
from handlers.shared.errors import aws_errors, error_code
from handlers.signature.request import KEPT_SECONDS, SignatureRequest, Status

BY_DOCUMENT, BY_STATUS = "byDocument", "byStatus"  # indexes, ordered by requestedAt
_UNSETTLED_DECISION = "#status IN (:signed, :declined) AND attribute_not_exists(settled)"

Item = Mapping[str, Any]
Key = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Some of the requests with a status, the newest first, and where the next ones begin."""

    requests: list[SignatureRequest]
    next_key: Key | None


class RequestStore:
    """The table of signature requests."""

    def __init__(self, table: str) -> None:
        self._table = table

    # -- Reading -------------------------------------------------------------------------------

    def get(self, request_id: str) -> SignatureRequest | None:
        with aws_errors("reading a signature request"):
            answer = client("dynamodb").get_item(
                TableName=self._table, Key=_key(request_id), ConsistentRead=True
            )
        return _request(answer["Item"]) if "Item" in answer else None

    def of_document(self, document_id: str) -> list[SignatureRequest]:
        """All requests of a document, the newest first; a new one may take a moment to appear."""
        with aws_errors("looking for a document's signature requests"):
            pages = (
                client("dynamodb")
                .get_paginator("query")
                .paginate(
                    TableName=self._table,
                    IndexName=BY_DOCUMENT,
                    KeyConditionExpression="documentId = :document",
                    ExpressionAttributeValues={":document": {"S": document_id}},
                    ScanIndexForward=False,
                )
            )
            return [_request(item) for page in pages for item in page["Items"]]

    def with_status(self, status: Status, limit: int, start: Key | None) -> Page:
        """A page of the requests with a status."""
        with aws_errors("listing signature requests"):
            answer = client("dynamodb").query(
                TableName=self._table,
                IndexName=BY_STATUS,
                KeyConditionExpression="#status = :status",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}},
                ScanIndexForward=False,
                Limit=limit,
                **({"ExclusiveStartKey": start} if start else {}),
            )
        return Page([_request(item) for item in answer["Items"]], answer.get("LastEvaluatedKey"))

    # -- Changing ------------------------------------------------------------------------------

    def open(self, request: SignatureRequest) -> SignatureRequest | None:
        """Store a new request, or its new token and one more code when its task is tried again.

        The request as it is then: a signer may already have decided by an earlier attempt's mail.
        None if the request is over.
        """
        return self._update(
            request.request_id,
            "SET documentId = :document, signer = :signer, execution = :execution,"
            " requestedAt = :requested, expiresAt = :expires, pageUrl = :url, taskToken = :token,"
            " expiration = :expiration, #status = if_not_exists(#status, :pending)"
            " ADD codeHashes :hashes",
            f"attribute_not_exists(requestId) OR #status = :pending OR ({_UNSETTLED_DECISION})",
            {
                ":document": {"S": request.document_id},
                ":signer": {"S": request.signer},
                ":execution": {"S": request.execution},
                ":requested": _number(request.requested_at),
                ":expires": _number(request.expires_at),
                ":url": {"S": request.page_url},
                ":token": {"S": request.task_token},
                ":hashes": {"SS": sorted(request.code_hashes)},
                ":expiration": _expiration(request.expires_at),
                ":pending": {"S": Status.PENDING},
                ":signed": {"S": Status.SIGNED},
                ":declined": {"S": Status.DECLINED},
            },
        )

    def add_code(self, request_id: str, code_hash: str) -> SignatureRequest | None:
        """Let one more code open a pending request's page; None if it is not pending."""
        return self._update(
            request_id,
            "ADD codeHashes :hashes",
            "#status = :pending",
            {":hashes": {"SS": [code_hash]}, ":pending": {"S": Status.PENDING}},
        )

    def decide(
        self, request_id: str, decision: Status, reason: str, at: float
    ) -> SignatureRequest | None:
        """Note the signer's decision; None if the request is no longer pending, or too late."""
        return self._update(
            request_id,
            "SET #status = :status, finishedAt = :now, expiration = :expiration, reason = :reason",
            "#status = :pending AND expiresAt > :now",
            {
                ":status": {"S": decision},
                ":pending": {"S": Status.PENDING},
                ":now": _number(at),
                ":expiration": _expiration(at),
                ":reason": {"S": reason},
            },
        )

    def expire(self, request: SignatureRequest, at: float) -> SignatureRequest | None:
        """The time is over: whatever this request is, unless it has changed since or is settled."""
        return self._update(
            request.request_id,
            "SET #status = :expired, finishedAt = :now, expiration = :expiration"
            " REMOVE reason, taskToken",
            "#status = :status AND taskToken = :token AND attribute_not_exists(settled)",
            {
                ":expired": {"S": Status.EXPIRED},
                ":status": {"S": request.status},
                ":token": {"S": request.task_token},
                ":now": _number(at),
                ":expiration": _expiration(at),
            },
        )

    def cancel(self, request: SignatureRequest, reason: str, at: float) -> SignatureRequest | None:
        """Withdraw a request, also one that is yet to come; None if it is already decided."""
        return self._update(
            request.request_id,
            "SET #status = :cancelled, reason = :reason, finishedAt = :now,"
            " expiration = :expiration, documentId = :document, signer = :signer,"
            " execution = :execution, requestedAt = if_not_exists(requestedAt, :now),"
            " expiresAt = if_not_exists(expiresAt, :now)",
            "attribute_not_exists(requestId) OR #status IN (:pending, :cancelled)",
            {
                ":cancelled": {"S": Status.CANCELLED},
                ":pending": {"S": Status.PENDING},
                ":reason": {"S": reason},
                ":now": _number(at),
                ":expiration": _expiration(at),
                ":document": {"S": request.document_id},
                ":signer": {"S": request.signer},
                ":execution": {"S": request.execution},
            },
        )

    def settle(self, request_id: str, outcome: Status, at: float) -> SignatureRequest | None:
        """Note what the machine made of a request, which is final; None if there is no request."""
        return self._update(
            request_id,
            "SET #status = :outcome, settled = :yes, expiration = :expiration,"
            " finishedAt = if_not_exists(finishedAt, :now) REMOVE taskToken",
            "attribute_exists(requestId)",
            {
                ":outcome": {"S": outcome},
                ":yes": {"BOOL": True},
                ":now": _number(at),
                ":expiration": _expiration(at),
            },
        )

    def _update(
        self, request_id: str, expression: str, condition: str, values: dict[str, Any]
    ) -> SignatureRequest | None:
        try:
            with aws_errors("changing a signature request"):
                answer = client("dynamodb").update_item(
                    TableName=self._table,
                    Key=_key(request_id),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return _request(answer["Attributes"])


def _key(request_id: str) -> dict[str, Any]:
    return {"requestId": {"S": request_id}}


def _number(seconds: float) -> dict[str, str]:
    return {"N": f"{seconds:.3f}"}


def _expiration(finished_at: float) -> dict[str, str]:
    """When DynamoDB may forget the item: whole seconds, its time to live."""
    return {"N": str(math.ceil(finished_at) + KEPT_SECONDS)}


def _request(item: Item) -> SignatureRequest:
    def text(name: str) -> str:
        return str(item[name]["S"]) if name in item else ""

    return SignatureRequest(
        request_id=text("requestId"),
        document_id=text("documentId"),
        signer=text("signer"),
        execution=text("execution"),
        requested_at=float(item["requestedAt"]["N"]),
        expires_at=float(item["expiresAt"]["N"]),
        status=Status(text("status")),
        settled="settled" in item,
        finished_at=float(item["finishedAt"]["N"]) if "finishedAt" in item else None,
        reason=text("reason"),
        page_url=text("pageUrl"),
        task_token=text("taskToken"),
        code_hashes=frozenset(item["codeHashes"]["SS"]) if "codeHashes" in item else frozenset(),
    )
