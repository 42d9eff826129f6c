"""A request for a signature: signer, document, deadline and status."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from handlers.shared.clock import iso
from handlers.signature.errors import InvalidDocumentIdError

RETENTION_SECONDS = 30 * 24 * 3600  # after a request is finished
MAX_REASON = 500  # characters
MAX_NUMBER = 2**53  # of a documentId: Step Functions does not keep larger integers exactly
_DOCUMENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Status(StrEnum):
    """PENDING until the signer decides, the time is over or the request is withdrawn."""

    PENDING = "PENDING"
    SIGNED = "SIGNED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class SignatureRequest:
    """A request as it is stored; times are seconds since 1970.

    A decision is made when `status` is SIGNED or DECLINED. It is `delivered` when the machine has
    accepted it, and `finalized` when the machine has recorded it. Before that, the machine may not
    have received it, or may have received it too late.
    """

    request_id: str
    document_id: str
    signer: str
    execution: str
    requested_at: float
    expires_at: float
    status: Status = Status.PENDING
    delivered: bool = False
    finalized: bool = False
    finished_at: float | None = None
    reason: str = ""
    page_url: str = ""
    task_token: str = ""
    code_hashes: frozenset[str] = frozenset()

    def is_pending(self, now: float) -> bool:
        return self.status is Status.PENDING and now < self.expires_at

    @property
    def is_decided(self) -> bool:
        return self.status in (Status.SIGNED, Status.DECLINED)

    @property
    def is_undelivered(self) -> bool:
        """The signer has decided, and the machine may not have received the decision."""
        return self.is_decided and not (self.delivered or self.finalized)

    @property
    def is_open(self) -> bool:
        """The decision is still to be made or to be delivered."""
        return self.status is Status.PENDING or self.is_undelivered

    def public(self) -> dict[str, Any]:
        """The fields for callers that may list requests: no token and no hash of a code."""
        fields: dict[str, Any] = {
            "requestId": self.request_id,
            "documentId": self.document_id,
            "signer": self.signer,
            "status": self.status.value,
            "requestedAt": iso(self.requested_at),
            "expiresAt": iso(self.expires_at),
            "execution": self.execution,
        }
        if self.finished_at is not None:
            fields["finishedAt"] = iso(self.finished_at)
        if self.reason:
            fields["reason"] = self.reason
        return fields


def request_id_of(execution: str) -> str:
    """The id of an execution's request. The state Identify Document computes the same hash."""
    return hashlib.sha256(execution.encode()).hexdigest()


def document_id(event: Mapping[str, Any]) -> str:
    """The `documentId` of an event; a whole number becomes a string."""
    value = event.get("documentId")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER:
        value = str(value)
    if not isinstance(value, str) or not _DOCUMENT_ID.fullmatch(value):
        raise InvalidDocumentIdError
    return value


def signature_of(signer: str, document_id: str, at: float) -> dict[str, str]:
    """A signature in the form in which an execution's output has it."""
    return {
        "signer": signer,
        "documentId": document_id,
        "signature": f"{signer} signed {document_id}",
        "signedAt": iso(at),
    }
