"""Signature requests in DynamoDB. Changes are conditional, so that concurrent ones do not conflict.

botocore repeats a request whose response was lost. Without further measures, the repeat would take
the result of its own first attempt for a change by another caller. So every change stores a unique
id under the change's name, and a repeat that finds its own id has succeeded.
"""

import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from handlers.shared.clients import client
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.signature.request import RETENTION_SECONDS, SignatureRequest, Status

BY_DOCUMENT, BY_STATUS = "byDocument", "byStatus"  # indexes, ordered by requestedAt
# The index of undelivered decisions, ordered by finishedAt. A request is in it while it has the
# attribute `undelivered`.
UNDELIVERED = "undelivered"
_UNFINALIZED_DECISION = "#status IN (:signed, :declined) AND attribute_not_exists(finalized)"
_UNDELIVERED_DECISION = f"{_UNFINALIZED_DECISION} AND attribute_not_exists(delivered)"

_YES = {"S": "yes"}  # an index key cannot be a boolean
_DECISIONS = {":signed": {"S": Status.SIGNED}, ":declined": {"S": Status.DECLINED}}

Item = Mapping[str, Any]
Key = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Some requests with a status, newest first, and the key at which the next page starts."""

    requests: list[SignatureRequest]
    next_key: Key | None


class RequestStore:
    """The table of signature requests."""

    def __init__(self, table: str) -> None:
        self._table = table

    # -- Reading -------------------------------------------------------------------------------

    def get(self, request_id: str) -> SignatureRequest | None:
        with translate_aws_errors("reading a signature request"):
            response = client("dynamodb").get_item(
                TableName=self._table, Key=_key(request_id), ConsistentRead=True
            )
        return _request(response["Item"]) if "Item" in response else None

    def of_document(self, document_id: str) -> list[SignatureRequest]:
        """All requests of a document, newest first; the index lags a little behind the table."""
        found = self._query(
            "looking for a document's signature requests",
            IndexName=BY_DOCUMENT,
            KeyConditionExpression="documentId = :document",
            ExpressionAttributeValues={":document": {"S": document_id}},
            ScanIndexForward=False,
        )
        return [_request(item) for item in found]

    def with_status(self, status: Status, limit: int, start: Key | None) -> Page:
        """A page of the requests with a status."""
        with translate_aws_errors("listing signature requests"):
            response = client("dynamodb").query(
                TableName=self._table,
                IndexName=BY_STATUS,
                KeyConditionExpression="#status = :status",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}},
                ScanIndexForward=False,
                Limit=limit,
                **({"ExclusiveStartKey": start} if start else {}),
            )
        return Page(
            [_request(item) for item in response["Items"]], response.get("LastEvaluatedKey")
        )

    def undelivered(self, before: float) -> Iterator[str]:
        """The ids of requests with an undelivered decision from before a time, oldest first.

        The index lags a little behind the table.
        """
        found = self._query(
            "looking for undelivered decisions",
            IndexName=UNDELIVERED,
            KeyConditionExpression="undelivered = :yes AND finishedAt < :before",
            ExpressionAttributeValues={":yes": _YES, ":before": _number(before)},
        )
        for item in found:
            yield str(item["requestId"]["S"])

    def _query(self, action: str, **query: Any) -> Iterator[Item]:
        """The items of all pages of a query."""
        pages = client("dynamodb").get_paginator("query")
        with translate_aws_errors(action):
            for page in pages.paginate(TableName=self._table, **query):
                yield from page["Items"]

    # -- Changing ------------------------------------------------------------------------------

    def open(self, request: SignatureRequest) -> SignatureRequest | None:
        """Store a new request or, on a retry of its task, the new token and one more code.

        None if the request is no longer pending: it is over, or an earlier attempt's mail led to a
        decision.
        """
        return self._update(
            "open",
            request.request_id,
            "SET #attempt = :attempt, documentId = :document, signer = :signer,"
            " execution = :execution, requestedAt = :requested, expiresAt = :expires,"
            " pageUrl = :url, taskToken = :token, expiration = :expiration, #status = :pending"
            " ADD codeHashes :hashes",
            "attribute_not_exists(requestId) OR #status = :pending",
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
            },
        )

    def exchange_token(self, request: SignatureRequest) -> SignatureRequest | None:
        """Store the new token of a decided request, and mark its decision as undelivered.

        The task that waits with the new token has not received the decision. None if there is no
        decision, or if it is final.
        """
        return self._update(
            "exchangeToken",
            request.request_id,
            "SET #attempt = :attempt, taskToken = :token, undelivered = :yes REMOVE delivered",
            _UNFINALIZED_DECISION,
            {":token": {"S": request.task_token}, ":yes": _YES} | _DECISIONS,
        )

    def add_code(self, request_id: str, code_hash: str) -> SignatureRequest | None:
        """Add a code that opens a pending request's page; None if it is not pending."""
        return self._update(
            "addCode",
            request_id,
            "SET #attempt = :attempt ADD codeHashes :hashes",
            "#status = :pending",
            {":hashes": {"SS": [code_hash]}, ":pending": {"S": Status.PENDING}},
        )

    def decide(
        self, request_id: str, decision: Status, reason: str, at: float
    ) -> SignatureRequest | None:
        """Store the signer's decision; None if the request is not pending or its time is over."""
        return self._update(
            "decide",
            request_id,
            "SET #attempt = :attempt, #status = :status, finishedAt = :now,"
            " expiration = :expiration, reason = :reason, undelivered = :yes",
            "#status = :pending AND expiresAt > :now",
            {
                ":yes": _YES,
                ":status": {"S": decision},
                ":pending": {"S": Status.PENDING},
                ":now": _number(at),
                ":expiration": _expiration(at),
                ":reason": {"S": reason},
            },
        )

    def mark_delivered(self, request: SignatureRequest) -> SignatureRequest | None:
        """Mark the decision as delivered; None if the request has changed since."""
        return self._update(
            "markDelivered",
            request.request_id,
            "SET #attempt = :attempt, delivered = :delivered REMOVE undelivered",
            "#status = :status AND taskToken = :token",
            {
                ":delivered": {"BOOL": True},
                ":status": {"S": request.status},
                ":token": {"S": request.task_token},
            },
        )

    def expire(self, request: SignatureRequest, at: float) -> SignatureRequest | None:
        """Mark a request as expired; None if it has changed since or its decision is delivered."""
        return self._update(
            "expire",
            request.request_id,
            "SET #attempt = :attempt, #status = :expired, finishedAt = :now,"
            " expiration = :expiration REMOVE reason, taskToken, undelivered",
            "#status = :status AND taskToken = :token AND attribute_not_exists(delivered)"
            " AND attribute_not_exists(finalized)",
            {
                ":expired": {"S": Status.EXPIRED},
                ":status": {"S": request.status},
                ":token": {"S": request.task_token},
                ":now": _number(at),
                ":expiration": _expiration(at),
            },
        )

    def cancel(self, request: SignatureRequest, reason: str, at: float) -> SignatureRequest | None:
        """Withdraw a request, even one that is not stored yet; None if it is already decided."""
        return self._update(
            "cancel",
            request.request_id,
            "SET #attempt = :attempt, #status = :cancelled, reason = :reason, finishedAt = :now,"
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

    def withdraw(
        self, request_id: str, execution: str, reason: str, at: float
    ) -> SignatureRequest | None:
        """Withdraw the request of an execution that has ended, even one that is not stored yet.

        None if nothing is left to withdraw: the decision is delivered, or the request is over. A
        request that was not stored yet appears in no index, because no signer was asked.
        """
        return self._update(
            "withdraw",
            request_id,
            "SET #attempt = :attempt, #status = :cancelled, reason = :reason, finishedAt = :now,"
            " expiration = :expiration, execution = :execution REMOVE taskToken, undelivered",
            f"attribute_not_exists(requestId) OR #status = :pending OR ({_UNDELIVERED_DECISION})",
            {
                ":cancelled": {"S": Status.CANCELLED},
                ":pending": {"S": Status.PENDING},
                ":reason": {"S": reason},
                ":execution": {"S": execution},
                ":now": _number(at),
                ":expiration": _expiration(at),
            }
            | _DECISIONS,
        )

    def finalize(self, request_id: str, outcome: Status, at: float) -> SignatureRequest | None:
        """Make the outcome that the machine reports final; None if there is no request."""
        return self._finalize(request_id, outcome, at, "attribute_exists(requestId)")

    def finalize_unless_decided(
        self, request_id: str, outcome: Status, at: float
    ) -> SignatureRequest | None:
        """As `finalize`, but also None if the signer has decided."""
        return self._finalize(
            request_id,
            outcome,
            at,
            "attribute_exists(requestId) AND NOT #status IN (:signed, :declined)",
            _DECISIONS,
        )

    def finalize_decision(self, request_id: str, at: float) -> SignatureRequest | None:
        """Make the signer's decision final, whichever it is; None if there is none."""
        return self._update(
            "finalizeDecision",
            request_id,
            "SET #attempt = :attempt, finalized = :finalized, expiration = :expiration"
            " REMOVE taskToken, undelivered",
            "#status IN (:signed, :declined)",
            {":finalized": {"BOOL": True}, ":expiration": _expiration(at)} | _DECISIONS,
        )

    def _finalize(
        self,
        request_id: str,
        outcome: Status,
        at: float,
        condition: str,
        values: Mapping[str, Any] | None = None,
    ) -> SignatureRequest | None:
        return self._update(
            "finalize",
            request_id,
            "SET #attempt = :attempt, #status = :outcome, finalized = :finalized,"
            " expiration = :expiration, finishedAt = if_not_exists(finishedAt, :now)"
            " REMOVE taskToken, undelivered",
            condition,
            {
                ":outcome": {"S": outcome},
                ":finalized": {"BOOL": True},
                ":now": _number(at),
                ":expiration": _expiration(at),
            }
            | dict(values or {}),
        )

    def _update(
        self, change: str, request_id: str, expression: str, condition: str, values: dict[str, Any]
    ) -> SignatureRequest | None:
        """Change a request if the condition holds; returns the changed request, or None.

        `expression` stores the attempt's id. A repeated attempt that finds its own id returns the
        current request, which others may have changed in the meantime.
        """
        name, attempt = f"{change}Attempt", {"S": str(uuid.uuid4())}
        try:
            with translate_aws_errors("changing a signature request"):
                response = client("dynamodb").update_item(
                    TableName=self._table,
                    Key=_key(request_id),
                    UpdateExpression=expression,
                    ConditionExpression=(
                        f"({condition})"
                        " AND (attribute_not_exists(#attempt) OR #attempt <> :attempt)"
                    ),
                    ExpressionAttributeNames={"#status": "status", "#attempt": name},
                    ExpressionAttributeValues=values | {":attempt": attempt},
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            found = error.response.get("Item", {})
            return _request(found) if found.get(name) == attempt else None
        return _request(response["Attributes"])


def _key(request_id: str) -> dict[str, Any]:
    return {"requestId": {"S": request_id}}


def _number(seconds: float) -> dict[str, str]:
    return {"N": f"{seconds:.3f}"}


def _expiration(finished_at: float) -> dict[str, str]:
    """When DynamoDB may delete the item (its time to live), in whole seconds."""
    return {"N": str(math.ceil(finished_at) + RETENTION_SECONDS)}


def _request(item: Item) -> SignatureRequest:
    def text(name: str) -> str:
        return str(item[name]["S"]) if name in item else ""

    def time(name: str) -> float:
        # A request that was withdrawn before the signer was asked has only finishedAt.
        return float(item[name if name in item else "finishedAt"]["N"])

    return SignatureRequest(
        request_id=text("requestId"),
        document_id=text("documentId"),
        signer=text("signer"),
        execution=text("execution"),
        requested_at=time("requestedAt"),
        expires_at=time("expiresAt"),
        status=Status(text("status")),
        delivered="delivered" in item,
        finalized="finalized" in item,
        finished_at=float(item["finishedAt"]["N"]) if "finishedAt" in item else None,
        reason=text("reason"),
        page_url=text("pageUrl"),
        task_token=text("taskToken"),
        code_hashes=frozenset(item["codeHashes"]["SS"]) if "codeHashes" in item else frozenset(),
    )
